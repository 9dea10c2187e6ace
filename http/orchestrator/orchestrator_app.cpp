#include <pqxx/except>

#include "domain/saga/saga_operate.hpp"
#include "http/apps.hpp"
#include "http/orchestrator/orchestrator_routes.hpp"
#include "http/sweeper.hpp"

namespace http {
namespace {

namespace saga = domain::saga;

void add_metrics(Metrics& metrics, domain::Pool& pool, const saga::SagaService& sagas) {
    metrics.add_gauge("sagas", "Sagas that have not ended, by state; STUCK counts again", "state",
                      [&pool]() -> std::map<std::string, double> {
                          try {
                              return saga::count(pool);
                          } catch (const std::exception&) {
                              return {};  // the database is away, as /readyz says
                          }
                      });
    metrics.add_counter("sagas_ended_total", "Sagas that this process ended", "state",
                        [&sagas] { return sagas.ends(); });
    metrics.add_counter("step_time_outs_total", "Answers that did not come in time, by step",
                        "step", [&sagas] { return sagas.time_outs(); });
    metrics.add_counter("compensation_tries_total", "Compensations asked for, by step", "step",
                        [&sagas] { return sagas.compensations(); });
}

constexpr int batch = 100;

// The sweepers go first: one sees to the sagas whose time is over or for which an operator has
// asked for something, the other forgets those that ended long ago.
struct Orchestrator {
    saga::SagaService sagas;
    Sweeper sweeper, forgetter;

    Orchestrator(const ServiceConfig& service, const Config& config, Log& log)
        : sagas(config.orchestrator.policy),
          sweeper(service.name, service.dsn, config.orchestrator.sweep, log,
                  [this](auto& pool) { return sagas.sweep(pool, batch) == batch; }),
          forgetter(service.name, service.dsn, leisurely, log, [keep = config.keep](auto& pool) {
              return saga::forget(pool, keep, batch) == batch;
          }) {}
};

}  // namespace

void add_orchestrator(Shop& shop, const ServiceConfig& config) {
    auto& service = add_service(shop, config, {"purchase", "reply"});
    auto part = std::make_shared<Orchestrator>(config, shop.config, shop.log);
    shop.parts.push_back(part);
    add_metrics(service.metrics(), service.pool(), part->sagas);
    orchestrator::add_routes(service.dispatcher(), service.pool(),
                             shop.config.orchestrator.operator_token);
    orchestrator::subscribe(service.consumer(), part->sagas);
}

}  // namespace http
