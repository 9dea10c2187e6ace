#include <pqxx/except>

#include "domain/saga/saga_operate.hpp"
#include "http/apps.hpp"
#include "http/orchestrator/orchestrator_routes.hpp"
#include "http/orchestrator/sweeper.hpp"

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

// The sweeper goes first.
struct Orchestrator {
    saga::SagaService sagas;
    orchestrator::Sweeper sweeper;

    Orchestrator(const ServiceConfig& service, const OrchestratorConfig& config, Log& log)
        : sagas(config.policy), sweeper(sagas, service.dsn, config.sweep, log) {}
};

}  // namespace

void add_orchestrator(Shop& shop, const ServiceConfig& config) {
    auto& service = add_service(
        shop, config,
        {.hears = {"purchase", "reply"}, .tables = {"saga.instance", "saga.step", "saga.audit"}});
    const auto& settings = shop.config.orchestrator;
    auto part = std::make_shared<Orchestrator>(config, settings, shop.log);
    shop.parts.push_back(part);
    add_metrics(service.metrics(), service.pool(), part->sagas);
    orchestrator::add_routes(service.dispatcher(), service.pool(), settings.operator_token);
    orchestrator::subscribe(service.consumer(), part->sagas);
}

}  // namespace http
