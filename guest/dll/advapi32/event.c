/* Events of providers, which nobody traces, and the event log, which nobody keeps. */
#include "advapi32.h"

/* `EventRegister`: any provider, which no session has enabled. */
ULONG NTAPI EventRegister(const void *provider, PVOID callback, PVOID context, ULONGLONG *registration) {
    static ULONGLONG last;
    (void)callback, (void)context;
    if (!provider || !registration) return ERROR_INVALID_PARAMETER;
    *registration = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    return 0;
}
/* `EventUnregister`, `EventSetInformation`. */
ULONG NTAPI EventUnregister(ULONGLONG registration) { return registration ? 0 : 6 /* ERROR_INVALID_HANDLE */; }
ULONG NTAPI EventSetInformation(ULONGLONG registration, ULONG class, PVOID information, ULONG length) {
    (void)class, (void)information, (void)length;
    return EventUnregister(registration);
}
/* `EventEnabled`, `EventProviderEnabled`: no. */
BOOLEAN NTAPI EventEnabled(ULONGLONG registration, const void *event) {
    (void)registration, (void)event;
    return FALSE;
}
BOOLEAN NTAPI EventProviderEnabled(ULONGLONG registration, UCHAR level, ULONGLONG keyword) {
    (void)registration, (void)level, (void)keyword;
    return FALSE;
}
/* `EventWrite`, `EventWriteTransfer`, `EventWriteString`: to no session, which is a success. */
ULONG NTAPI EventWrite(ULONGLONG registration, const void *event, ULONG count, const void *data) {
    (void)event, (void)count, (void)data;
    return EventUnregister(registration);
}
ULONG NTAPI EventWriteTransfer(ULONGLONG registration, const void *event, const void *activity, const void *related, ULONG count, const void *data) {
    (void)activity, (void)related;
    return EventWrite(registration, event, count, data);
}
ULONG NTAPI EventWriteString(ULONGLONG registration, UCHAR level, ULONGLONG keyword, const WCHAR *text) {
    (void)level, (void)keyword, (void)text;
    return EventUnregister(registration);
}

/* `RegisterEventSourceW`: the event log's service does not run. */
HANDLE NTAPI RegisterEventSourceW(const WCHAR *server, const WCHAR *source) {
    (void)server, (void)source;
    AdvpFail(RPC_S_SERVER_UNAVAILABLE);
    return NULL;
}
HANDLE NTAPI RegisterEventSourceA(const char *server, const char *source) {
    (void)server, (void)source;
    return RegisterEventSourceW(NULL, NULL);
}
BOOL NTAPI DeregisterEventSource(HANDLE log) {
    (void)log;
    return AdvpFail(6 /* ERROR_INVALID_HANDLE */);
}
