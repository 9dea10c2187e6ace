#include "relay/table_text.hpp"

#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>
#include <vector>

namespace relay {
namespace {

enum Oid : unsigned { boolean = 16, int8 = 20, int4 = 23, json = 114, jsonb = 3802 };

std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            result += std::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            result += c;
        }
    }
    return result;
}

// Code points, not bytes.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool is_number(const Result& rows, int column) {
    const auto type = PQftype(rows.get(), column);
    return type == Oid::int8 || type == Oid::int4;
}

std::string cell_text(const Result& rows, int row, int column) {
    if (PQftype(rows.get(), column) == Oid::boolean && !rows.null(row, column))
        return rows.at(row, column) == "t" ? "yes" : "no";
    return printable(rows.at(row, column));
}

std::string json_value(const Result& rows, int row, int column) {
    if (rows.null(row, column)) return "null";
    std::string text{rows.at(row, column)};
    const auto type = PQftype(rows.get(), column);
    if (type == Oid::boolean) return text == "t" ? "true" : "false";
    if (is_number(rows, column) || type == Oid::json || type == Oid::jsonb) return text;
    return nlohmann::json(text).dump();
}

}  // namespace

std::string as_table(const Result& rows) {
    if (rows.rows() == 0) return "(none)\n";
    const int columns = PQnfields(rows.get());
    std::vector<std::size_t> widths;
    widths.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column) {
        auto widest = width(PQfname(rows.get(), column));
        for (int row = 0; row < rows.rows(); ++row)
            widest = std::max(widest, width(cell_text(rows, row, column)));
        widths.push_back(widest);
    }
    std::string text;
    const auto add_line = [&](const auto& cell_of) {
        std::string line;
        for (int column = 0; column < columns; ++column) {
            const std::string cell = cell_of(column);
            const std::string space(widths[static_cast<std::size_t>(column)] - width(cell), ' ');
            line += is_number(rows, column) ? space + cell : cell + space;
            line += "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    };
    add_line([&](int column) { return std::string{PQfname(rows.get(), column)}; });
    for (int row = 0; row < rows.rows(); ++row)
        add_line([&](int column) { return cell_text(rows, row, column); });
    return text;
}

std::string as_record(const Result& rows) {
    std::size_t widest = 0;
    for (int column = 0; column < PQnfields(rows.get()); ++column)
        widest = std::max(widest, width(PQfname(rows.get(), column)));
    std::string text;
    for (int column = 0; column < PQnfields(rows.get()); ++column) {
        if (rows.null(0, column)) continue;
        text += std::format("{:<{}}  {}\n", PQfname(rows.get(), column), widest,
                            cell_text(rows, 0, column));
    }
    return text;
}

std::string as_json(const Result& rows) {
    std::string text = "[";
    for (int row = 0; row < rows.rows(); ++row) {
        text += row == 0 ? "\n  {" : ",\n  {";
        for (int column = 0; column < PQnfields(rows.get()); ++column) {
            if (column > 0) text += ", ";
            text += nlohmann::json(PQfname(rows.get(), column)).dump() + ": " +
                    json_value(rows, row, column);
        }
        text += "}";
    }
    return text + (rows.rows() == 0 ? "]\n" : "\n]\n");
}

}  // namespace relay
