/* scanf and its kin: d i u o x X p c s [ n e f g %, with widths, `*`, and the sizes hh h l ll j z t L I64 I32. */
#include "crt.h"

typedef struct {
    FILE *file;       /* a stream, or */
    const char *text; /* a text */
    int count;        /* characters read */
} Source;

static int next(Source *s) {
    int c = s->file ? fgetc(s->file) : *s->text ? (unsigned char)*s->text++ : EOF;
    s->count += c != EOF;
    return c;
}
static void back(Source *s, int c) {
    if (c == EOF) return;
    s->count--;
    if (s->file) ungetc(c, s->file);
    else s->text--;
}
static int after_blanks(Source *s) {
    int c;
    while (isspace(c = next(s))) {}
    return c;
}

#define TEXT_MAX 400
typedef struct {
    int skip, width, bytes, wide;
    char text[TEXT_MAX];
    int length, left;
} Field;

/* Takes the character when there is room in the field; returns the next one. */
static int take(Source *s, Field *f, int c) {
    if (f->length < TEXT_MAX - 1) f->text[f->length++] = (char)c;
    f->text[f->length] = 0;
    f->left--;
    return next(s);
}

static int is_base(int c, int base) {
    if (isdigit(c)) return c - '0' < base;
    return base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'));
}

/* Whether a number of that base is there; it is in the field's text. */
static int scan_whole(Source *s, Field *f, int c, int *base) {
    int any = 0;
    if ((c == '-' || c == '+') && f->left > 0) c = take(s, f, c);
    if (c == '0' && f->left > 0 && (*base == 0 || *base == 16)) {
        c = take(s, f, c);
        any = 1;
        if ((c == 'x' || c == 'X') && f->left > 0) {
            c = take(s, f, c);
            *base = 16;
            any = 0;
        } else if (*base == 0) {
            *base = 8;
        }
    }
    if (*base == 0) *base = 10;
    while (f->left > 0 && is_base(c, *base)) c = take(s, f, c), any = 1;
    back(s, c);
    return any;
}

static int scan_real(Source *s, Field *f, int c) {
    int any = 0;
    if ((c == '-' || c == '+') && f->left > 0) c = take(s, f, c);
    while (f->left > 0 && isdigit(c)) c = take(s, f, c), any = 1;
    if (c == '.' && f->left > 0) c = take(s, f, c);
    while (f->left > 0 && isdigit(c)) c = take(s, f, c), any = 1;
    if (any && (c == 'e' || c == 'E') && f->left > 0) {
        c = take(s, f, c);
        if ((c == '-' || c == '+') && f->left > 0) c = take(s, f, c);
        while (f->left > 0 && isdigit(c)) c = take(s, f, c);
    }
    back(s, c);
    return any;
}

static const char *set_of(const char *format, char *set, int *inverted) {
    memset(set, 0, 256);
    *inverted = *format == '^';
    if (*inverted) format++;
    for (int first = 1; *format && (*format != ']' || first); first = 0, format++) {
        int from = (unsigned char)*format, to = from;
        if (format[1] == '-' && format[2] && format[2] != ']') {
            format += 2;
            to = (unsigned char)*format;
        }
        if (to < from) {
            int kept = from;
            from = to;
            to = kept;
        }
        for (; from <= to; from++) set[from] = 1;
    }
    return format;
}

static void store(const Field *f, uint64_t value, va_list *to) {
    if (!f->skip) memcpy(va_arg(*to, void *), &value, (size_t)f->bytes);
}

/* Characters into the program's buffer while they belong; returns whether there were any. */
static int scan_text(Source *s, Field *f, int c, char kind, const char *set, int inverted, va_list *to) {
    char *out = f->skip ? NULL : va_arg(*to, char *);
    wchar_t *wide = (wchar_t *)out;
    int length = 0;
    for (; c != EOF && f->left > 0; f->left--, c = next(s)) {
        if (kind == 's' ? isspace(c) : kind == '[' && set[c] == inverted) break;
        if (out && f->wide) wide[length] = (wchar_t)c;
        else if (out) out[length] = (char)c;
        length++;
    }
    back(s, c);
    if (!length || (kind == 'c' && f->left > 0)) return 0;
    if (kind != 'c' && out && f->wide) wide[length] = 0;
    else if (kind != 'c' && out) out[length] = 0;
    return 1;
}

static const char *size_of(Field *f, const char *at) {
    f->bytes = 4;
    for (;; at++) {
        if (*at == 'h') f->bytes = f->bytes == 2 ? 1 : 2;
        else if (*at == 'l') f->wide = 1, f->bytes = at[1] == 'l' ? (at++, 8) : 4;
        else if (*at == 'L') f->wide = 1, f->bytes = 8;
        else if (*at == 'j') f->bytes = 8;
        else if (*at == 'z' || *at == 't') f->bytes = sizeof(size_t);
        else if (*at == 'I' && at[1] == '6' && at[2] == '4') at += 2, f->bytes = 8;
        else if (*at == 'I' && at[1] == '3' && at[2] == '2') at += 2;
        else if (*at == 'I') f->bytes = sizeof(size_t);
        else return at;
    }
}

/* One conversion: 1 when it was done, 0 when the input does not match, EOF at its end. */
static int convert(Source *s, Field *f, const char **format, va_list *to) {
    char kind = **format, set[256];
    int inverted = 0, negative, large, base = kind == 'd' || kind == 'u' ? 10 : kind == 'o' ? 8 : kind == 'i' ? 0 : 16;
    if (kind == 'S' || kind == 'C') kind = (char)(kind + 32), f->wide = 1;
    if (kind == '[') *format = set_of(*format + 1, set, &inverted);
    int c = kind == 'c' || kind == '[' ? next(s) : after_blanks(s);
    if (c == EOF) return EOF;
    f->left = f->width ? f->width : kind == 'c' ? 1 : INT_MAX;
    switch (kind) {
    case 'p': f->bytes = 8; /* fall through */
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X': {
        if (!scan_whole(s, f, c, &base)) return 0;
        uint64_t value = crt_parse(f->text, NULL, base, &negative, &large);
        store(f, negative ? 0 - value : value, to);
        return 1;
    }
    case 'e':
    case 'E':
    case 'f':
    case 'g':
    case 'G': {
        if (!scan_real(s, f, c)) return 0;
        double value = strtod(f->text, NULL);
        float narrow = (float)value;
        if (!f->skip && f->wide) *va_arg(*to, double *) = value;
        else if (!f->skip) *va_arg(*to, float *) = narrow;
        return 1;
    }
    case 'c':
    case 's':
    case '[': return scan_text(s, f, c, kind, set, inverted, to);
    case '%':
        if (c == '%') return 1;
        back(s, c);
        return 0;
    default: back(s, c); return 0;
    }
}

static int scan(Source *s, const char *format, va_list list) {
    va_list to;
    va_copy(to, list);
    int done = 0, result = 1;
    for (; *format; format++) {
        if (isspace((unsigned char)*format)) {
            back(s, after_blanks(s));
            continue;
        }
        if (*format != '%') {
            int c = next(s);
            if (c == (unsigned char)*format) continue;
            back(s, c);
            result = c == EOF ? EOF : 0;
            break;
        }
        Field f = {.text = {0}};
        format++;
        if (*format == '*') f.skip = 1, format++;
        for (; isdigit((unsigned char)*format); format++)
            if (f.width < 1000000) f.width = 10 * f.width + (*format - '0');
        format = size_of(&f, format);
        if (!*format) break;
        if (*format == 'n') {
            store(&f, (uint64_t)s->count, &to);
            continue;
        }
        char kind = *format;
        result = convert(s, &f, &format, &to);
        if (result != 1 || !*format) break;
        done += !f.skip && kind != '%';
    }
    va_end(to);
    return result == EOF && !done ? EOF : done;
}

int vfscanf(FILE *f, const char *format, va_list v) {
    Source s = {.file = f};
    return scan(&s, format, v);
}
int vsscanf(const char *text, const char *format, va_list v) {
    Source s = {.text = text};
    return scan(&s, format, v);
}
#define VARIADIC(call) \
    va_list v; \
    va_start(v, format); \
    int count = call; \
    va_end(v); \
    return count;
int scanf(const char *format, ...) { VARIADIC(vfscanf(stdin, format, v)) }
int fscanf(FILE *f, const char *format, ...) { VARIADIC(vfscanf(f, format, v)) }
int sscanf(const char *text, const char *format, ...) { VARIADIC(vsscanf(text, format, v)) }
