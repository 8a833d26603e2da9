/* The command line and the environment, as main sees them.
 *
 * The ANSI code page is UTF-8, as for the built-in kernel32.
 */
#include "crt.h"

int __argc;
char **__argv;
wchar_t **__wargv;
char *_acmdln;
wchar_t *_wcmdln;
char **_environ, **__initenv;
wchar_t **_wenviron, **__winitenv;
char *_pgmptr;

/* A UTF-8 copy of UTF-16 text; a lone surrogate becomes U+FFFD. */
char *crt_narrow(const wchar_t *text, size_t length) {
    char *copy = malloc(3 * length + 1), *end = copy;
    if (!copy) return NULL;
    for (size_t i = 0; i < length; i++) {
        unsigned c = text[i];
        if (c >= 0xd800 && c < 0xdc00 && i + 1 < length && text[i + 1] >> 10 == 0xdc00 >> 10)
            c = 0x10000 + ((c - 0xd800) << 10) + (text[++i] - 0xdc00u);
        else if (c >= 0xd800 && c < 0xe000)
            c = 0xfffd;
        if (c < 0x80) {
            *end++ = (char)c;
            continue;
        }
        if (c >= 0x10000) {
            *end++ = (char)(0xf0 | c >> 18);
            *end++ = (char)(0x80 | (c >> 12 & 63));
        } else if (c >= 0x800) {
            *end++ = (char)(0xe0 | c >> 12);
        }
        *end++ = (char)(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xc0 | c >> 6);
        *end++ = (char)(0x80 | (c & 63));
    }
    *end = 0;
    return copy;
}

/* One argument of a command line into `to` (not written when NULL); returns the place behind it.
 *
 * As documented for the C startup code: blanks part arguments; quotes keep them together; backslashes are literal,
 * unless a quote follows them: two then stand for one, and an odd one makes the quote literal. Within quotes, two
 * quotes are a literal one. In the program's name, backslashes are always literal.
 */
static const wchar_t *argument(const wchar_t *at, wchar_t *to, size_t *size, int name) {
    size_t length = 0;
    int quoted = 0;
#define EMIT(c) (to ? (void)(to[length++] = (c)) : (void)length++)
    for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++) {
        size_t slashes = 0;
        if (!name)
            while (at[slashes] == '\\') slashes++;
        at += slashes;
        if (*at != '"') {
            while (slashes--) EMIT('\\');
            if (!*at || (!quoted && (*at == ' ' || *at == '\t'))) break;
            EMIT(*at);
            continue;
        }
        for (size_t i = 0; i < slashes / 2; i++) EMIT('\\');
        if (slashes % 2) {
            EMIT('"');
        } else if (quoted && !name && at[1] == '"') {
            EMIT('"');
            at++;
        } else {
            quoted = !quoted;
        }
    }
    EMIT(0);
#undef EMIT
    *size = length;
    return at;
}

static int split(void) {
    int count = 0;
    size_t size;
    for (const wchar_t *at = _wcmdln; *at || !count; count++) {
        at = argument(at, NULL, &size, !count);
        while (*at == ' ' || *at == '\t') at++;
    }
    __wargv = calloc((size_t)count + 1, sizeof *__wargv);
    __argv = calloc((size_t)count + 1, sizeof *__argv);
    if (!__wargv || !__argv) return -1;
    const wchar_t *at = _wcmdln;
    for (int i = 0; i < count; i++) {
        argument(at, NULL, &size, !i);
        __wargv[i] = malloc(size * sizeof(wchar_t));
        if (!__wargv[i]) return -1;
        at = argument(at, __wargv[i], &size, !i);
        __argv[i] = crt_narrow(__wargv[i], size - 1);
        if (!__argv[i]) return -1;
        while (*at == ' ' || *at == '\t') at++;
    }
    __argc = count;
    _pgmptr = __argv[0];
    return 0;
}

/* Reads command line and environment from the process parameters. */
void crt_environment_begin(void) {
    UnicodeString *line = &FIELD(UnicodeString, process_parameters(), 0x70);
    size_t length = line->length / sizeof(wchar_t);
    _wcmdln = calloc(length + 1, sizeof(wchar_t));
    if (_wcmdln) memcpy(_wcmdln, line->text, length * sizeof(wchar_t));
    _acmdln = crt_narrow(line->text, length);
    const wchar_t *block = FIELD(const wchar_t *, process_parameters(), 0x80);
    size_t count = 0;
    for (const wchar_t *at = block; at && *at; at += wcslen(at) + 1) count++;
    _environ = calloc(count + 1, sizeof *_environ);
    _wenviron = calloc(count + 1, sizeof *_wenviron);
    size_t used = 0;
    for (const wchar_t *at = block; _environ && _wenviron && used < count; at += wcslen(at) + 1) {
        /* Windows keeps the drives' current folders in variables like "=C:", which are nobody's. */
        if (*at == '=') {
            count--;
            continue;
        }
        _environ[used] = crt_narrow(at, wcslen(at));
        _wenviron[used] = _wcsdup(at);
        if (!_environ[used] || !_wenviron[used]) break;
        used++;
    }
}

/* Wildcards are not expanded: without a file system nothing matches, and what matches nothing stays as it is. */
int __getmainargs(int *argc, char ***argv, char ***environment, int expand, int *new_mode) {
    (void)expand, (void)new_mode;
    if (!__argv && (!_wcmdln || split())) return -1;
    *argc = __argc;
    *argv = __argv;
    *environment = __initenv = _environ;
    return 0;
}

int __wgetmainargs(int *argc, wchar_t ***argv, wchar_t ***environment, int expand, int *new_mode) {
    (void)expand, (void)new_mode;
    if (!__wargv && (!_wcmdln || split())) return -1;
    *argc = __argc;
    *argv = __wargv;
    *environment = __winitenv = _wenviron;
    return 0;
}

char ***__p__environ(void) { return &_environ; }
int *__p___argc(void) { return &__argc; }
char ***__p___argv(void) { return &__argv; }
char **__p__acmdln(void) { return &_acmdln; }

/* Names are compared without case. */
char *getenv(const char *name) {
    size_t length = strlen(name);
    for (char **at = _environ; at && *at; at++)
        if (!_strnicmp(*at, name, length) && (*at)[length] == '=') return *at + length + 1;
    return NULL;
}

int _putenv(const char *setting) {
    const char *equals = strchr(setting, '=');
    if (!equals || equals == setting) {
        errno = EINVAL;
        return -1;
    }
    size_t length = (size_t)(equals - setting), count = 0, found = SIZE_MAX;
    for (; _environ && _environ[count]; count++)
        if (!_strnicmp(_environ[count], setting, length + 1)) found = count;
    if (!equals[1]) {
        for (; found < count; found++) _environ[found] = _environ[found + 1];
        return 0;
    }
    char *copy = _strdup(setting);
    if (!copy) return -1;
    if (found == SIZE_MAX) {
        char **more = realloc(_environ, (count + 2) * sizeof *more);
        if (!more) return -1;
        _environ = more;
        more[found = count] = copy;
        more[count + 1] = NULL;
    }
    _environ[found] = copy;
    return 0;
}
