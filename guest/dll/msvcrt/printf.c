/* printf and its kin: where the text goes. */
#include "crt.h"

static int to_stream(FILE *f, const void *format, va_list values, int wide) {
    int before = f->_flag & _IOERR;
    f->_flag &= ~_IOERR;
    Sink s = {.file = f, .wide = wide};
    int count = crt_print(&s, format, values);
    crt_settle(f);
    if (f->_flag & _IOERR) count = -1;
    f->_flag |= before;
    return count;
}

/* At most `size` characters; the end is written where there is room for it. -1 when the text is longer. */
static int to_buffer(void *buffer, size_t size, const void *format, va_list values, int wide) {
    Sink s = {.buffer = buffer, .size = size, .wide = wide};
    int count = crt_print(&s, format, values);
    if (count < 0) return -1;
    if (s.count < size) {
        if (wide) ((wchar_t *)buffer)[s.count] = 0;
        else ((char *)buffer)[s.count] = 0;
    }
    return s.count > size ? -1 : count;
}

static int count_only(const void *format, va_list values, int wide) {
    Sink s = {.wide = wide};
    return crt_print(&s, format, values);
}

/* The safe ones: a text that does not fit gives an empty one. */
static int to_safe(void *buffer, size_t size, const void *format, va_list values, int wide) {
    if (!buffer || !size || !format) {
        errno = EINVAL;
        return -1;
    }
    int count = to_buffer(buffer, size, format, values, wide);
    if (count >= 0 && (size_t)count < size) return count;
    if (wide) *(wchar_t *)buffer = 0;
    else *(char *)buffer = 0;
    errno = ERANGE;
    return -1;
}

#define UNBOUNDED ((size_t)INT_MAX)

int vfprintf(FILE *f, const char *format, va_list v) { return to_stream(f, format, v, 0); }
int vprintf(const char *format, va_list v) { return to_stream(stdout, format, v, 0); }
int vsprintf(char *to, const char *format, va_list v) { return to_buffer(to, UNBOUNDED, format, v, 0); }
int _vsnprintf(char *to, size_t size, const char *format, va_list v) { return to_buffer(to, size, format, v, 0); }
int _vscprintf(const char *format, va_list v) { return count_only(format, v, 0); }
int vsprintf_s(char *to, size_t size, const char *format, va_list v) { return to_safe(to, size, format, v, 0); }
int vfwprintf(FILE *f, const wchar_t *format, va_list v) { return to_stream(f, format, v, 1); }
int vwprintf(const wchar_t *format, va_list v) { return to_stream(stdout, format, v, 1); }
int _vsnwprintf(wchar_t *to, size_t size, const wchar_t *format, va_list v) { return to_buffer(to, size, format, v, 1); }
int _vscwprintf(const wchar_t *format, va_list v) { return count_only(format, v, 1); }
int vswprintf_s(wchar_t *to, size_t size, const wchar_t *format, va_list v) { return to_safe(to, size, format, v, 1); }
/* This DLL's `vswprintf` and `swprintf` take no size. */
int vswprintf(wchar_t *to, const wchar_t *format, va_list v) { return to_buffer(to, UNBOUNDED, format, v, 1); }

#define VARIADIC(call) \
    va_list v; \
    va_start(v, format); \
    int count = call; \
    va_end(v); \
    return count;
int printf(const char *format, ...) { VARIADIC(vprintf(format, v)) }
int fprintf(FILE *f, const char *format, ...) { VARIADIC(vfprintf(f, format, v)) }
int sprintf(char *to, const char *format, ...) { VARIADIC(vsprintf(to, format, v)) }
int _snprintf(char *to, size_t size, const char *format, ...) { VARIADIC(_vsnprintf(to, size, format, v)) }
int _scprintf(const char *format, ...) { VARIADIC(_vscprintf(format, v)) }
int sprintf_s(char *to, size_t size, const char *format, ...) { VARIADIC(vsprintf_s(to, size, format, v)) }
int wprintf(const wchar_t *format, ...) { VARIADIC(vwprintf(format, v)) }
int fwprintf(FILE *f, const wchar_t *format, ...) { VARIADIC(vfwprintf(f, format, v)) }
int swprintf(wchar_t *to, const wchar_t *format, ...) { VARIADIC(vswprintf(to, format, v)) }
int _snwprintf(wchar_t *to, size_t size, const wchar_t *format, ...) { VARIADIC(_vsnwprintf(to, size, format, v)) }
int _scwprintf(const wchar_t *format, ...) { VARIADIC(_vscwprintf(format, v)) }
int swprintf_s(wchar_t *to, size_t size, const wchar_t *format, ...) { VARIADIC(vswprintf_s(to, size, format, v)) }
