/* Beginning and ending. */
#include "crt.h"

typedef void (*Function)(void);
typedef int (*OnExit)(void);

void crt_ctype_begin(void);
void crt_time_begin(void);

/* The DLL's entry point. */
int STDCALL DllMain(HANDLE module, unsigned reason, void *reserved) {
    (void)module, (void)reserved;
    enum { PROCESS_DETACH, PROCESS_ATTACH, THREAD_ATTACH, THREAD_DETACH };
    if (reason == PROCESS_ATTACH) {
        crt_thread_begin();
        crt_low_begin();
        crt_ctype_begin();
        crt_time_begin();
        crt_environment_begin();
    } else if (reason == THREAD_DETACH) {
        crt_thread_end();
    } else if (reason == PROCESS_DETACH) {
        crt_flush_all();
    }
    return 1;
}

void _initterm(Function *at, Function *end) {
    for (; at < end; at++)
        if (*at) (*at)();
}

int _initterm_e(OnExit *at, OnExit *end) {
    int error = 0;
    for (; !error && at < end; at++)
        if (*at) error = (*at)();
    return error;
}

/* What runs at the exit, last registered first. */
static OnExit *first, *last;
static volatile int lock;

OnExit __dllonexit(OnExit function, OnExit **begin, OnExit **end) {
    size_t count = (size_t)(*end - *begin);
    OnExit *more = realloc(*begin, (count + 1) * sizeof *more);
    if (!more) return NULL;
    more[count] = function;
    *begin = more;
    *end = more + count + 1;
    return function;
}

OnExit _onexit(OnExit function) {
    crt_lock(&lock);
    OnExit result = __dllonexit(function, &first, &last);
    crt_unlock(&lock);
    return result;
}

int atexit(Function function) { return _onexit((OnExit)function) ? 0 : -1; }

static void run_registered(void) {
    /* A function may register another, which runs next. */
    while (last > first) {
        OnExit function = *--last;
        if (function) function();
    }
}

void _cexit(void) {
    run_registered();
    crt_flush_all();
}

void _c_exit(void) { crt_flush_all(); }

#ifdef UCRT
void crt_thread_local_end(void);
#endif
void exit(int code) {
#ifdef UCRT
    crt_thread_local_end();
#endif
    _cexit();
    _exit(code);
}

void _exit(int code) {
    /* The console is not buffered on Windows: what was printed has been printed. */
    crt_flush_all();
    RtlExitUserProcess(code);
    for (;;) NtTerminateProcess((HANDLE)-1, code);
}

/* Signals: `raise` and `abort` give them, and faults where a filter asks `_XcptFilter`. */
typedef void (*Handler)(int);
enum { SIGINT = 2, SIGILL = 4, SIGFPE = 8, SIGSEGV = 11, SIGTERM = 15, SIGBREAK = 21, SIGABRT = 22, SIGNALS };
#define SIG_DFL ((Handler)0)
#define SIG_IGN ((Handler)1)
#define SIG_ERR ((Handler)-1)
static Handler handlers[SIGNALS];

static int known(int number) {
    return number == SIGINT || number == SIGILL || number == SIGFPE || number == SIGSEGV || number == SIGTERM
        || number == SIGBREAK || number == SIGABRT;
}

Handler signal(int number, Handler handler) {
    if (number == 6) number = SIGABRT;
    if (!known(number)) {
        errno = EINVAL;
        return SIG_ERR;
    }
    Handler before = handlers[number];
    handlers[number] = handler;
    return before;
}

int raise(int number) {
    if (number == 6) number = SIGABRT;
    if (!known(number)) {
        errno = EINVAL;
        return -1;
    }
    Handler handler = handlers[number];
    if (handler == SIG_IGN) return 0;
    if (handler == SIG_DFL) _exit(3);
    handlers[number] = SIG_DFL;
    handler(number);
    return 0;
}

/* Which signal a fault is. */
static int signal_of(unsigned code) {
    switch (code) {
    case 0xc0000005: return SIGSEGV;
    case 0xc000001d: case 0xc0000096: return SIGILL;
    case 0xc000008d: case 0xc000008e: case 0xc000008f: case 0xc0000090: case 0xc0000091: case 0xc0000092: case 0xc0000093:
        return SIGFPE;
    }
    return 0;
}

static void *fault_pointers;
void **__pxcptinfoptrs(void) { return &fault_pointers; }

/* The filter around `main`: a program's signal handler gets the fault. */
int _XcptFilter(unsigned code, void *pointers) {
    enum { CONTINUE_EXECUTION = -1 };
    int number = signal_of(code);
    Handler handler = number ? handlers[number] : SIG_DFL;
    if (handler == SIG_DFL) return UnhandledExceptionFilter(pointers);
    if (handler == SIG_IGN) return CONTINUE_EXECUTION;
    void *before = fault_pointers;
    fault_pointers = pointers;
    handlers[number] = SIG_DFL;
    handler(number);
    fault_pointers = before;
    return CONTINUE_EXECUTION;
}

void abort(void) {
    if (handlers[SIGABRT] == SIG_DFL) fputs("abnormal program termination\n", stderr);
    raise(SIGABRT);
    _exit(3);
}

void _amsg_exit(int number) {
    char text[] = "runtime error R6000\n";
    text[16] = (char)('0' + number / 100 % 10);
    text[17] = (char)('0' + number / 10 % 10);
    text[18] = (char)('0' + number % 10);
    fputs(text, stderr);
    _exit(255);
}

void _purecall(void) { _amsg_exit(25); }

void _assert(const char *expression, const char *file, unsigned line) {
    char digits[12], *at = digits + sizeof digits;
    *--at = 0;
    do *--at = (char)('0' + line % 10);
    while (line /= 10);
    crt_put(stderr, "Assertion failed: ", 18);
    crt_put(stderr, expression, strlen(expression));
    crt_put(stderr, ", file ", 7);
    crt_put(stderr, file, strlen(file));
    crt_put(stderr, ", line ", 7);
    crt_put(stderr, at, strlen(at));
    crt_put(stderr, "\n\n", 2);
    crt_settle(stderr);
    abort();
}

/* What the startup code of a program tells; nothing depends on it here. */
void __set_app_type(int type) { (void)type; }
static int (*math_error)(void *);
void __setusermatherr(int (*handler)(void *)) { math_error = handler; }
void _fpreset(void) { __asm__ volatile("fninit"); }

void _sleep(unsigned milliseconds) {
    int64_t delay = -10000 * (int64_t)milliseconds;
    NtDelayExecution(0, &delay);
}
int _getpid(void) { return (int)process_id(); }
