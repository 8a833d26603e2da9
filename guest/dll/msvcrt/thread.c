/* Threads of the C run-time library. */
#include "crt.h"

typedef unsigned(STDCALL *Routine)(void *);
API HANDLE CreateThread(void *, size_t, Routine, void *, unsigned, unsigned *);
API void ExitThread(unsigned) __attribute__((noreturn));
API int CloseHandle(HANDLE);

/* 0 and errno as the last error says, where a thread could not be made. */
uintptr_t _beginthreadex(void *security, unsigned stack, Routine start, void *argument, unsigned flags, unsigned *id) {
    HANDLE thread = start ? CreateThread(security, stack, start, argument, flags, id) : NULL;
    if (!start) errno = EINVAL;
    else if (!thread) errno = EAGAIN;
    return (uintptr_t)thread;
}

void _endthreadex(unsigned code) { ExitThread(code); }

typedef struct {
    void (*start)(void *);
    void *argument;
} Begun;

/* Such a thread returns nothing, and its handle closes itself. */
static unsigned STDCALL begun(void *from) {
    Begun of = *(Begun *)from;
    free(from);
    of.start(of.argument);
    return 0;
}

uintptr_t _beginthread(void (*start)(void *), unsigned stack, void *argument) {
    Begun *of = start ? malloc(sizeof *of) : NULL;
    if (!of) {
        errno = start ? ENOMEM : EINVAL;
        return (uintptr_t)-1;
    }
    *of = (Begun){start, argument};
    HANDLE thread = CreateThread(NULL, stack, begun, of, 0, NULL);
    if (!thread) {
        free(of);
        errno = EAGAIN;
        return (uintptr_t)-1;
    }
    CloseHandle(thread);
    return (uintptr_t)thread;
}

void _endthread(void) { ExitThread(0); }
