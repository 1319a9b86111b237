#include "CPostgreSQL.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int is_loaded;
static char complaint[256];

/* Each function, its type as libpq's header has it. */
#define FUNCTIONS(F) \
    F(PQbackendPID) F(PQclear) F(PQcmdTuples) F(PQconnectdbParams) F(PQconninfoFree) \
    F(PQconninfoParse) F(PQconsumeInput) F(PQenterPipelineMode) F(PQerrorMessage) F(PQfinish) \
    F(PQflush) F(PQfreemem) F(PQgetResult) F(PQgetisnull) F(PQgetlength) F(PQgetvalue) \
    F(PQisBusy) F(PQnotifies) F(PQntuples) F(PQpipelineSync) F(PQresultErrorField) F(PQresultErrorMessage) \
    F(PQresultStatus) F(PQsendPrepare) F(PQsendQueryParams) F(PQsendQueryPrepared) \
    F(PQserverVersion) F(PQsetNoticeProcessor) F(PQsetnonblocking) F(PQsocket) F(PQstatus) \
    F(PQtransactionStatus)

#define DECLARE(name) static __typeof__(&name) real_##name;
FUNCTIONS(DECLARE)

static void *find(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (function == NULL) {
        snprintf(complaint, sizeof complaint,
                 "the client library of PostgreSQL, libpq.so.5, is too old: it has no %s", name);
        is_loaded = 0;
    }
    return function;
}

static void load(void) {
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(complaint, sizeof complaint,
                 "the client library of PostgreSQL cannot be loaded (%s): install libpq5",
                 dlerror());
        return;
    }
    is_loaded = 1;
#define FIND(name) real_##name = (__typeof__(real_##name))find(library, #name);
    FUNCTIONS(FIND)
}

/* Not for libpq itself, which has its own. */
#define OWN __attribute__((visibility("hidden")))

OWN PQconninfoOption *PQconninfoParse(const char *conninfo, char **errmsg) {
    pthread_once(&once, load);
    if (is_loaded) return real_PQconninfoParse(conninfo, errmsg);
    if (errmsg != NULL) *errmsg = strdup(complaint);
    return NULL;
}

OWN void PQfreemem(void *ptr) {
    if (is_loaded) real_PQfreemem(ptr);
    else free(ptr);
}

OWN PGconn *PQconnectdbParams(const char *const *keywords, const char *const *values,
                              int expand_dbname) {
    pthread_once(&once, load);
    return is_loaded ? real_PQconnectdbParams(keywords, values, expand_dbname) : NULL;
}

OWN int PQbackendPID(const PGconn *conn) { return real_PQbackendPID(conn); }
OWN void PQclear(PGresult *res) { real_PQclear(res); }
OWN char *PQcmdTuples(PGresult *res) { return real_PQcmdTuples(res); }
OWN void PQconninfoFree(PQconninfoOption *options) { real_PQconninfoFree(options); }
OWN int PQconsumeInput(PGconn *conn) { return real_PQconsumeInput(conn); }
OWN int PQenterPipelineMode(PGconn *conn) { return real_PQenterPipelineMode(conn); }
OWN char *PQerrorMessage(const PGconn *conn) { return real_PQerrorMessage(conn); }
OWN void PQfinish(PGconn *conn) { real_PQfinish(conn); }
OWN int PQflush(PGconn *conn) { return real_PQflush(conn); }
OWN PGresult *PQgetResult(PGconn *conn) { return real_PQgetResult(conn); }
OWN int PQgetisnull(const PGresult *res, int row, int field) {
    return real_PQgetisnull(res, row, field);
}
OWN int PQgetlength(const PGresult *res, int row, int field) {
    return real_PQgetlength(res, row, field);
}
OWN char *PQgetvalue(const PGresult *res, int row, int field) {
    return real_PQgetvalue(res, row, field);
}
OWN int PQisBusy(PGconn *conn) { return real_PQisBusy(conn); }
OWN PGnotify *PQnotifies(PGconn *conn) { return real_PQnotifies(conn); }
OWN int PQntuples(const PGresult *res) { return real_PQntuples(res); }
OWN int PQpipelineSync(PGconn *conn) { return real_PQpipelineSync(conn); }
OWN char *PQresultErrorField(const PGresult *res, int field) {
    return real_PQresultErrorField(res, field);
}
OWN char *PQresultErrorMessage(const PGresult *res) { return real_PQresultErrorMessage(res); }
OWN ExecStatusType PQresultStatus(const PGresult *res) { return real_PQresultStatus(res); }
OWN int PQsendPrepare(PGconn *conn, const char *name, const char *query, int count,
                      const Oid *types) {
    return real_PQsendPrepare(conn, name, query, count, types);
}
OWN int PQsendQueryParams(PGconn *conn, const char *command, int count, const Oid *types,
                          const char *const *values, const int *lengths, const int *formats,
                          int result_format) {
    return real_PQsendQueryParams(conn, command, count, types, values, lengths, formats,
                                  result_format);
}
OWN int PQsendQueryPrepared(PGconn *conn, const char *name, int count, const char *const *values,
                            const int *lengths, const int *formats, int result_format) {
    return real_PQsendQueryPrepared(conn, name, count, values, lengths, formats, result_format);
}
OWN int PQserverVersion(const PGconn *conn) { return real_PQserverVersion(conn); }
OWN PQnoticeProcessor PQsetNoticeProcessor(PGconn *conn, PQnoticeProcessor processor, void *arg) {
    return real_PQsetNoticeProcessor(conn, processor, arg);
}
OWN int PQsetnonblocking(PGconn *conn, int on) { return real_PQsetnonblocking(conn, on); }
OWN int PQsocket(const PGconn *conn) { return real_PQsocket(conn); }
OWN ConnStatusType PQstatus(const PGconn *conn) { return real_PQstatus(conn); }
OWN PGTransactionStatusType PQtransactionStatus(const PGconn *conn) {
    return real_PQtransactionStatus(conn);
}
