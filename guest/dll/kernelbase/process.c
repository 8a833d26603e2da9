/* What a process can ask about itself: start-up, environment, module names, the system. */
#include "base.h"

typedef struct {
    unsigned size;
    void *reserved, *desktop, *title;
    unsigned x, y, width, height, columns, rows, fill, flags;
    uint16_t show, reserved_size;
    void *reserved_data;
    HANDLE input, output, error;
} StartupInfo;
_Static_assert(sizeof(StartupInfo) == AT(104, 68), "STARTUPINFO");

#define STARTF_USESTDHANDLES 0x100

static void startup(StartupInfo *info) {
    char *p = process_parameters();
    const unsigned *start = &FIELD(unsigned, p, STARTING_X);
    *info = (StartupInfo){
        .size = sizeof *info, .x = start[0], .y = start[1],
        .width = start[2], .height = start[3], .columns = start[4], .rows = start[5], .fill = start[6],
        .flags = FIELD(unsigned, p, WINDOW_FLAGS), .show = FIELD(uint16_t, p, SHOW_WINDOW),
    };
    if (info->flags & STARTF_USESTDHANDLES) {
        const HANDLE *standard = &FIELD(HANDLE, p, STANDARD_INPUT);
        info->input = standard[0];
        info->output = standard[1];
        info->error = standard[2];
    }
}

void GetStartupInfoW(StartupInfo *info) {
    char *p = process_parameters();
    startup(info);
    info->title = FIELD(UnicodeString, p, WINDOW_TITLE).text;
    info->desktop = (&FIELD(UnicodeString, p, WINDOW_TITLE))[1].text;
}

void GetStartupInfoA(StartupInfo *info) {
    static char *title, *desktop;
    UnicodeString *wide = &FIELD(UnicodeString, process_parameters(), WINDOW_TITLE);
    if (!title) title = narrow_copy(wide[0].text, wide[0].length / 2);
    if (!desktop) desktop = narrow_copy(wide[1].text, wide[1].length / 2);
    startup(info);
    info->title = title;
    info->desktop = desktop;
}

static const wchar_t *environment(void) { return FIELD(const wchar_t *, process_parameters(), ENVIRONMENT); }
static unsigned upper(unsigned c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }

/* The value of a variable, or NULL. */
static const wchar_t *variable(const wchar_t *name) {
    for (const wchar_t *at = environment(); at && *at; at += wide_length(at) + 1) {
        size_t i = 0;
        while (name[i] && upper(name[i]) == upper(at[i])) i++;
        if (i && !name[i] && at[i] == '=') return at + i + 1;
    }
    RtlSetLastWin32Error(ERROR_ENVVAR_NOT_FOUND);
    return NULL;
}

unsigned GetEnvironmentVariableW(const wchar_t *name, wchar_t *to, unsigned room) {
    const wchar_t *value = variable(name);
    if (!value) return 0;
    size_t length = wide_length(value);
    if (length >= room) return (unsigned)length + 1;
    for (size_t i = 0; i <= length; i++) to[i] = value[i];
    RtlSetLastWin32Error(0);
    return (unsigned)length;
}

unsigned GetEnvironmentVariableA(const char *name, char *to, unsigned room) {
    wchar_t *wide = wide_copy(name);
    if (!wide) return (unsigned)fail(ERROR_NOT_ENOUGH_MEMORY);
    const wchar_t *value = variable(wide);
    RtlFreeHeap(heap(), 0, wide);
    if (!value) return 0;
    int size = WideCharToMultiByte(CP_UTF8, 0, value, -1, NULL, 0, NULL, NULL);
    if ((unsigned)size > room) return (unsigned)size;
    WideCharToMultiByte(CP_UTF8, 0, value, -1, to, size, NULL, NULL);
    RtlSetLastWin32Error(0);
    return (unsigned)size - 1;
}

/* The block with its last NUL, in characters. */
static size_t environment_size(void) {
    const wchar_t *at = environment();
    if (!at) return 1;
    while (*at) at += wide_length(at) + 1;
    return (size_t)(at - environment()) + 1;
}

/* Environments that were made here, which the next one replaces. */
static wchar_t *made;

/* `SetEnvironmentVariableW`: NULL takes the variable out. Variables stand in the order of their names. */
BOOL SetEnvironmentVariableW(const wchar_t *name, const wchar_t *value) {
    if (!name || !*name) return fail(ERROR_INVALID_PARAMETER);
    size_t length = wide_length(name), more = value ? length + wide_length(value) + 2 : 0, to = 0;
    for (size_t i = 1; i < length; i++)
        if (name[i] == '=') return fail(ERROR_INVALID_PARAMETER);
    if (!value && !variable(name)) return 0;
    wchar_t *block = RtlAllocateHeap(heap(), 0, (environment_size() + more + 1) * sizeof *block);
    if (!block) return fail(ERROR_NOT_ENOUGH_MEMORY);
    int put = !value;
    for (const wchar_t *at = environment();; at += wide_length(at) + 1) {
        size_t same = 0;
        int end = !at || !*at;
        while (!end && same < length && upper(name[same]) == upper(at[same])) same++;
        int is_it = !end && same == length && at[same] == '=';
        if (!put && (end || is_it || (same < length && upper(at[same]) > upper(name[same])))) {
            for (size_t i = 0; i < length; i++) block[to++] = name[i];
            block[to++] = '=';
            for (const wchar_t *from = value; *from; from++) block[to++] = *from;
            block[to++] = 0;
            put = 1;
        }
        if (end) break;
        if (is_it) continue;
        for (size_t i = 0; i <= wide_length(at); i++) block[to++] = at[i];
    }
    block[to] = 0;
    FIELD(wchar_t *, process_parameters(), ENVIRONMENT) = block;
    if (made) RtlFreeHeap(heap(), 0, made);
    made = block;
    return 1;
}

/* `SetEnvironmentVariableA`. */
BOOL SetEnvironmentVariableA(const char *name, const char *value) {
    wchar_t *wide = name ? wide_copy(name) : NULL, *text = value ? wide_copy(value) : NULL;
    BOOL done = (name && !wide) || (value && !text) ? fail(ERROR_NOT_ENOUGH_MEMORY) : SetEnvironmentVariableW(wide, text);
    if (wide) RtlFreeHeap(heap(), 0, wide);
    if (text) RtlFreeHeap(heap(), 0, text);
    return done;
}

wchar_t *GetEnvironmentStringsW(void) {
    size_t size = environment_size();
    wchar_t *copy = RtlAllocateHeap(heap(), 8, (size + 1) * sizeof *copy);
    if (!copy) RtlSetLastWin32Error(ERROR_NOT_ENOUGH_MEMORY);
    for (size_t i = 0; copy && environment() && i < size; i++) copy[i] = environment()[i];
    return copy;
}
char *GetEnvironmentStrings(void) {
    static const wchar_t none[2];
    char *copy = narrow_copy(environment() ? environment() : none, environment_size());
    if (!copy) RtlSetLastWin32Error(ERROR_NOT_ENOUGH_MEMORY);
    return copy;
}
BOOL FreeEnvironmentStringsW(wchar_t *block) { return RtlFreeHeap(heap(), 0, block); }
BOOL FreeEnvironmentStringsA(char *block) { return RtlFreeHeap(heap(), 0, block); }

/* The path of a loaded module, by the loader's list in load order. */
static const UnicodeString *module_path(HANDLE module) {
    if (!module) module = FIELD(HANDLE, peb(), PEB_IMAGE_BASE);
    char *list = loaded_modules();
    for (char *at = FIELD(char *, list, 0); at != list; at = FIELD(char *, at, 0))
        if (FIELD(HANDLE, at, MODULE_BASE) == module) return &FIELD(UnicodeString, at, MODULE_PATH);
    RtlSetLastWin32Error(ERROR_MOD_NOT_FOUND);
    return NULL;
}

/* As Windows does: a path that does not fit is cut, and ended. */
unsigned GetModuleFileNameA(HANDLE module, char *to, unsigned room) {
    const UnicodeString *path = module_path(module);
    if (!path) return 0;
    char *narrow = narrow_copy(path->text, path->length / 2);
    if (!narrow) return (unsigned)fail(ERROR_NOT_ENOUGH_MEMORY);
    unsigned length = (unsigned)text_length(narrow), copied = length;
    if (length >= room) {
        copied = room ? room - 1 : 0;
        RtlSetLastWin32Error(ERROR_INSUFFICIENT_BUFFER);
    } else {
        RtlSetLastWin32Error(0);
    }
    for (unsigned i = 0; i < copied; i++) to[i] = narrow[i];
    if (room) to[copied] = 0;
    RtlFreeHeap(heap(), 0, narrow);
    return length >= room ? room : length;
}

typedef struct {
    uint16_t architecture, reserved;
    unsigned page;
    uintptr_t lowest, highest, mask;
    unsigned processors, type, granularity;
    uint16_t level, revision;
} SystemInfo;
/* One processor; the level and revision are those that the machine's CPUID tells. */
void GetSystemInfo(SystemInfo *info) {
    unsigned a, b, c, d;
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
    unsigned family = a >> 8 & 15, model = a >> 4 & 15;
    if (family == 15) family += a >> 20 & 255;
    if (family == 6 || family >= 15) model |= a >> 12 & 0xf0;
    *info = (SystemInfo){AT(9, 0), 0, 0x1000, 0x10000, (uintptr_t)AT(0x7ffffffeffff, 0x7ffeffff), 1, 1, AT(8664, 586),
                         0x10000, (uint16_t)family, (uint16_t)(model << 8 | (a & 15))};
}
void GetNativeSystemInfo(SystemInfo *info) { GetSystemInfo(info); }

/* A program without a manifest is told 6.2, Windows 8, whatever runs. */
#define OSVERSIONINFOW_SIZE 276
#define OSVERSIONINFOEXW_SIZE 284
static BOOL version(void *info, unsigned text, unsigned size) {
    char *p = info;
    if (FIELD(unsigned, p, 0) != text && FIELD(unsigned, p, 0) != size) return fail(ERROR_INSUFFICIENT_BUFFER);
    for (unsigned i = 4; i < FIELD(unsigned, p, 0); i++) p[i] = 0;
    FIELD(unsigned, p, 4) = 6;
    FIELD(unsigned, p, 8) = 2;
    FIELD(unsigned, p, 12) = 9200;
    FIELD(unsigned, p, 16) = 2;
    if (FIELD(unsigned, p, 0) == size) p[size - 2] = 1;
    return 1;
}
BOOL GetVersionExW(void *info) { return version(info, OSVERSIONINFOW_SIZE, OSVERSIONINFOEXW_SIZE); }
BOOL GetVersionExA(void *info) { return version(info, 148, 156); }
unsigned GetVersion(void) { return 9200u << 16 | 2 << 8 | 6; }


/* There is no debugger to hear it. */
void OutputDebugStringA(const char *text) { (void)text; }
void OutputDebugStringW(const wchar_t *text) { (void)text; }

int UnhandledExceptionFilter(void *pointers);
API void RtlSetUnhandledExceptionFilter(int (*filter)(void *));

int DllMain(HANDLE module, unsigned reason, void *reserved) {
    enum { PROCESS_ATTACH = 1 };
    (void)module, (void)reserved;
    if (reason == PROCESS_ATTACH) RtlSetUnhandledExceptionFilter(UnhandledExceptionFilter);
    return 1;
}
