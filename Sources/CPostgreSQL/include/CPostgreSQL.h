#ifndef CPOSTGRESQL_H
#define CPOSTGRESQL_H

/*
 * libpq, loaded when the first address of a database is read. It has some thirty libraries of its own
 * in tow (TLS, Kerberos, LDAP), which would cost every start of every program milliseconds, and most
 * of them never talk to PostgreSQL. Where it is missing PQconninfoParse says so; without an address
 * nothing else is called.
 */
#include <postgresql/libpq-fe.h>

#endif
