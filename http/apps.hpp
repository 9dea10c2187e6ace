// What each service consists of; main adds those that are asked for. They throw StartError.
#pragma once

#include "http/shop.hpp"

namespace http {

void add_account(Shop& shop, const ServiceConfig& config);
void add_orchestrator(Shop& shop, const ServiceConfig& config);
void add_order(Shop& shop, const ServiceConfig& config);
void add_payment(Shop& shop, const ServiceConfig& config);
void add_product(Shop& shop, const ServiceConfig& config);
void add_purchase(Shop& shop, const ServiceConfig& config);

}  // namespace http
