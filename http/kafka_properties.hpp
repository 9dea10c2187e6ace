// librdkafka's own properties for the services' consumers, of a file: it holds the secrets.
#pragma once

#include <map>
#include <string>

namespace http {

// One "name = value" a line, as the files of Kafka's own tools; empty lines and those that begin
// with # are passed over. Throws CLI::ValidationError, which names the flag and the line and quotes
// no value, for any other line, for a name that comes twice, for the properties by which the
// services lose and repeat no event, and for a file without any.
std::map<std::string, std::string> kafka_properties(const std::string& flag,
                                                    const std::string& path);

}  // namespace http
