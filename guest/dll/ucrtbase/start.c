/* ucrtbase.dll: how its programs begin and end. The rest of it is msvcrt's sources, built with UCRT defined. */
#include "../msvcrt/crt.h"

typedef void (*Function)(void);
typedef int (*OnExit)(void);
typedef struct { OnExit *first, *last, *end; } OnExitTable;

OnExit _onexit(OnExit);
int __getmainargs(int *, char ***, char ***, int, int *);
int __wgetmainargs(int *, wchar_t ***, wchar_t ***, int, int *);
int _XcptFilter(unsigned, void *);
void _assert(const char *, const char *, unsigned);
void abort(void) __attribute__((noreturn));
extern wchar_t *_wcmdln, **__wargv;
extern char *_pgmptr;
extern int _commode, _fmode;

/* Tables of functions that run when a module ends: a program or DLL has its own. */
int _initialize_onexit_table(OnExitTable *table) {
    if (!table) return -1;
    if (table->first == table->end) table->first = table->last = table->end = NULL;
    return 0;
}

int _register_onexit_function(OnExitTable *table, OnExit function) {
    if (!table) return -1;
    if (table->last == table->end) {
        size_t count = (size_t)(table->last - table->first), room = count ? 2 * count : 32;
        OnExit *more = realloc(table->first, room * sizeof *more);
        if (!more) return -1;
        *table = (OnExitTable){more, more + count, more + room};
    }
    *table->last++ = function;
    return 0;
}

int _execute_onexit_table(OnExitTable *table) {
    if (!table) return -1;
    /* A function may register another, which runs next. */
    while (table->last > table->first) {
        OnExit function = *--table->last;
        if (function) function();
    }
    free(table->first);
    table->first = table->last = table->end = NULL;
    return 0;
}

int _crt_atexit(Function function) { return _onexit((OnExit)function) ? 0 : -1; }

/* What runs at a quick exit, last registered first. */
static OnExitTable quick;
int _crt_at_quick_exit(Function function) { return _register_onexit_function(&quick, (OnExit)function); }
void quick_exit(int code) {
    _execute_onexit_table(&quick);
    _exit(code);
}
void _Exit(int code) { _exit(code); }

static void (STDCALL *thread_exit)(void *, unsigned, void *);
void _register_thread_local_exe_atexit_callback(void *routine) { thread_exit = routine; }
void crt_thread_local_end(void) {
    enum { PROCESS_DETACH };
    if (thread_exit) thread_exit(NULL, PROCESS_DETACH, NULL);
}

/* Arguments and environment: mode 0 wants none. */
static int arguments(int mode) {
    int count, new_mode = 0;
    char **narrow, **environment;
    wchar_t **wide, **wide_environment;
    if (!mode) return 0;
    if (__getmainargs(&count, &narrow, &environment, 0, &new_mode)) return ENOMEM;
    return __wgetmainargs(&count, &wide, &wide_environment, 0, &new_mode) ? ENOMEM : 0;
}
int _configure_narrow_argv(int mode) { return arguments(mode); }
int _configure_wide_argv(int mode) { return arguments(mode); }
int _initialize_narrow_environment(void) { return _environ ? 0 : -1; }
int _initialize_wide_environment(void) { return _wenviron ? 0 : -1; }
char **_get_initial_narrow_environment(void) { return _environ; }
wchar_t **_get_initial_wide_environment(void) { return _wenviron; }
char *_get_narrow_winmain_command_line(void) {
    extern char *_acmdln;
    char *at = _acmdln, quoted = 0;
    if (!at) return NULL;
    /* Behind the program's name. */
    for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++)
        if (*at == '"') quoted ^= 1;
    while (*at == ' ' || *at == '\t') at++;
    return at;
}
wchar_t *_get_wide_winmain_command_line(void) {
    wchar_t *at = _wcmdln;
    int quoted = 0;
    if (!at) return NULL;
    for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++)
        if (*at == '"') quoted ^= 1;
    while (*at == ' ' || *at == '\t') at++;
    return at;
}
wchar_t ***__p___wargv(void) { return &__wargv; }
wchar_t **__p__wcmdln(void) { return &_wcmdln; }
char **__p__pgmptr(void) { return &_pgmptr; }
#ifdef __x86_64__
wchar_t ***__p__wenviron(void) { return &_wenviron; }
int *__p__commode(void) { return &_commode; }
int *__p__fmode(void) { return &_fmode; }
#endif
int _set_fmode(int mode) {
    _fmode = mode;
    return 0;
}
int _get_fmode(int *mode) {
    *mode = _fmode;
    return 0;
}

static int app_type;
void _set_app_type(int type) { app_type = type; }
int _query_app_type(void) { return app_type; }

/* The filters around `main` and around what starts a DLL. */
int _seh_filter_exe(unsigned code, void *pointers) { return _XcptFilter(code, pointers); }
int _seh_filter_dll(unsigned code, void *pointers) { return code == 0xe06d7363 ? _XcptFilter(code, pointers) : 0; }

/* Arguments that no function takes: the program ends as it does in Windows without a handler of its own. */
typedef void (*Invalid)(const wchar_t *, const wchar_t *, const wchar_t *, unsigned, uintptr_t);
static Invalid invalid;
Invalid _set_invalid_parameter_handler(Invalid handler) {
    Invalid before = invalid;
    invalid = handler;
    return before;
}
Invalid _get_invalid_parameter_handler(void) { return invalid; }
Invalid _set_thread_local_invalid_parameter_handler(Invalid handler) { return _set_invalid_parameter_handler(handler); }
void _invalid_parameter_noinfo(void) {
    /* FAST_FAIL_INVALID_ARG */
    if (!invalid) __asm__ volatile("int $0x29" ::"c"(5));
    invalid(NULL, NULL, NULL, 0, 0);
}
void _invalid_parameter_noinfo_noreturn(void) {
    _invalid_parameter_noinfo();
    abort();
}
void _invoke_watson(const wchar_t *e, const wchar_t *f, const wchar_t *file, unsigned line, uintptr_t r) {
    (void)e, (void)f, (void)file, (void)line, (void)r;
    __asm__ volatile("int $0x29" ::"c"(5));
}

static Function terminator;
Function set_terminate(Function handler) {
    Function before = terminator;
    terminator = handler;
    return before;
}
Function _get_terminate(void) { return terminator; }
void terminate(void) {
    if (terminator) terminator();
    abort();
}

static int new_mode;
int _set_new_mode(int mode) {
    int before = new_mode;
    new_mode = mode;
    return before;
}
int _query_new_mode(void) { return new_mode; }
int _callnewh(size_t size) {
    (void)size;
    return 0;
}
static int abort_flags = 3;
unsigned _set_abort_behavior(unsigned flags, unsigned mask) {
    unsigned before = (unsigned)abort_flags;
    abort_flags = (int)((before & ~mask) | (flags & mask));
    return before;
}
static int error_mode;
int _set_error_mode(int mode) {
    int before = error_mode;
    if (mode >= 0 && mode < 3) error_mode = mode;
    return before;
}
void _wassert(const wchar_t *expression, const wchar_t *file, unsigned line) {
    char *text = crt_narrow(expression, wcslen(expression)), *name = crt_narrow(file, wcslen(file));
    _assert(text ? text : "", name ? name : "", line);
}

/* The control words of the x87 and of SSE in one form: `_MCW_EM`, `_MCW_RC`, `_MCW_PC`. Between them there is no difference
 * in what is set here, but that SSE has no precision. */
enum { MCW_EM = 0x8001f, MCW_RC = 0x300, MCW_PC = 0x30000 };
static unsigned mixed_bits(unsigned control) {
    unsigned to = control >> 5 & 1;
    to |= (control >> 4 & 1) << 1 | (control >> 3 & 1) << 2 | (control >> 2 & 1) << 3 | (control & 1) << 4 | (control >> 1 & 1) << 19;
    to |= (control >> 10 & 3) << 8;
    return to | (control >> 8 & 3 ? (control >> 8 & 3) == 2 ? 0x10000 : 0 : 0x20000);
}
static unsigned control_bits(unsigned mixed) {
    unsigned to = (mixed & 1) << 5 | (mixed >> 1 & 1) << 4 | (mixed >> 2 & 1) << 3 | (mixed >> 3 & 1) << 2 | (mixed >> 4 & 1) | (mixed >> 19 & 1) << 1;
    to |= (mixed >> 8 & 3) << 10;
    return to | (mixed & 0x20000 ? 0 : mixed & 0x10000 ? 2u << 8 : 3u << 8);
}
unsigned _control87(unsigned value, unsigned mask) {
    uint16_t control;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    unsigned mixed = mixed_bits(control);
    mask &= MCW_EM | MCW_RC | MCW_PC;
    if (mask) {
        mixed = (mixed & ~mask) | (value & mask);
        control = (uint16_t)((control & ~0xf3fu) | control_bits(mixed));
        __asm__ volatile("fldcw %0" ::"m"(control));
#ifdef __x86_64__
        unsigned sse;
        __asm__ volatile("stmxcsr %0" : "=m"(sse));
        sse = (sse & ~0x7f80u) | (control & 0x3fu) << 7 | (control >> 10 & 3u) << 13;
        __asm__ volatile("ldmxcsr %0" ::"m"(sse));
#endif
    }
    return mixed;
}
/* Denormal operands are left alone. */
unsigned _controlfp(unsigned value, unsigned mask) { return _control87(value, mask & ~0x80000u); }
int _controlfp_s(unsigned *current, unsigned value, unsigned mask) {
    unsigned now = _controlfp(value, mask);
    if (current) *current = now;
    return 0;
}
