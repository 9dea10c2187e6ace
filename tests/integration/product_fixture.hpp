// The product service on a database of its own, with the stock that a test asks for.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <pqxx/pqxx>
#include <string>

#include "domain/pool.hpp"
#include "domain/product/product_service.hpp"
#include "domain/sonyflake.hpp"
#include "http/service_cache.hpp"
#include "support/database.hpp"

namespace integration {

class ProductTest : public testing::Test {
protected:
    template <class Value>
    Value ask(const std::string& query) {
        return pqxx::nontransaction{super_}.query_value<Value>(query);
    }
    void tell(const std::string& statement) { pqxx::nontransaction{super_}.exec(statement); }

    void stock(std::int64_t product, std::int64_t inventory) {
        pqxx::nontransaction{super_}.exec("update products set inventory = $2 where id = $1",
                                          pqxx::params{product, inventory});
    }
    std::int64_t left(std::int64_t product) {
        return pqxx::nontransaction{super_}.query_value<std::int64_t>(
            "select inventory from products where id = $1", pqxx::params{product});
    }

    support::Database database_{{"outbox", "product"}};
    pqxx::connection super_{database_.dsn()};
    domain::Pool pool_{{.dsn = database_.dsn("shop_product")}};
    domain::Sonyflake ids_{1};
    domain::product::ProductService products_{pool_, [this] { return ids_.next(); }};
    http::ServiceCache cache_{{}, "product"};  // in memory
};

}  // namespace integration
