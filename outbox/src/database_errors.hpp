// What an error of PostgreSQL says about the event that a worker was applying. Internal.
#pragma once

#include <pqxx/except>

namespace outbox {

// A prepared statement is not there, or there already. Where we prepare, a pooler has changed the
// session, or a handler has cleared it.
bool is_lost_statement(const pqxx::sql_error& error);

// The database's own trouble, which says nothing about the event: connections, deadlocks,
// shutdowns, resources.
bool is_infrastructure(const pqxx::sql_error& error);

// What a handler needs is not there, or not its role's to use: the schema is older than this
// process, or newer. That is no fault of the events, which would all be parked.
bool is_schema_trouble(const pqxx::sql_error& error);

}  // namespace outbox
