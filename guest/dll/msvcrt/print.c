/* The formatting of printf and its kin.
 *
 * Sizes: hh h l ll j z t L w, I I32 I64. A long double is a double, as for every program that follows this DLL's ABI.
 * Conversions: d i u o x X p c C s S n e E f F g G %.
 */
#include "crt.h"

enum { LEFT = 1, PLUS = 2, SPACE = 4, ALTERNATE = 8, ZERO = 16, UPPER = 32, WIDE = 64, NARROW = 128, TRIM = 256 };

typedef struct {
    Sink *sink;
    int flags, width, precision, bytes;
} Spec;

static void emit(Sink *s, unsigned c) {
    s->count++;
    if (s->file) {
        char byte = (char)c;
        if (c > 255) s->failed = 1;
        else crt_put(s->file, &byte, 1);
    } else if (s->count <= s->size) {
        if (s->wide) ((wchar_t *)s->buffer)[s->count - 1] = (wchar_t)c;
        else if (c > 255) s->failed = 1;
        else ((char *)s->buffer)[s->count - 1] = (char)c;
    }
}

static void fill(Sink *s, unsigned c, int count) {
    while (count-- > 0) emit(s, c);
}

static void text(Spec *p, const void *value, int wide) {
    static const char null[] = "(null)";
    if (!value) value = null, wide = 0;
    int length = 0;
    while ((p->precision < 0 || length < p->precision) && (wide ? ((wchar_t *)value)[length] : ((char *)value)[length])) length++;
    if (!(p->flags & LEFT)) fill(p->sink, p->flags & ZERO ? '0' : ' ', p->width - length);
    for (int i = 0; i < length; i++) emit(p->sink, wide ? ((wchar_t *)value)[i] : ((unsigned char *)value)[i]);
    if (p->flags & LEFT) fill(p->sink, ' ', p->width - length);
}

static void character(Spec *p, unsigned c) {
    if (!(p->flags & LEFT)) fill(p->sink, p->flags & ZERO ? '0' : ' ', p->width - 1);
    emit(p->sink, c);
    if (p->flags & LEFT) fill(p->sink, ' ', p->width - 1);
}

/* A sign or 0x, zeros up to the precision or the width, and the digits. */
static void whole(Spec *p, uint64_t value, unsigned base, char sign) {
    char digits[32], *at = digits + sizeof digits, prefix[3];
    int length = 0, prefixed = 0;
    for (; value; value /= base, length++) *--at = (p->flags & UPPER ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
    if (sign) prefix[prefixed++] = sign;
    if (p->flags & ALTERNATE && base == 16 && length) {
        prefix[prefixed++] = '0';
        prefix[prefixed++] = p->flags & UPPER ? 'X' : 'x';
    }
    int zeros = (p->precision < 0 ? 1 : p->precision) - length;
    if (zeros < 0) zeros = 0;
    if (p->flags & ALTERNATE && base == 8 && !zeros) zeros = 1;
    int pad = p->width - prefixed - zeros - length;
    if (p->flags & ZERO && !(p->flags & LEFT) && p->precision < 0 && pad > 0) zeros += pad, pad = 0;
    if (!(p->flags & LEFT)) fill(p->sink, ' ', pad);
    for (int i = 0; i < prefixed; i++) emit(p->sink, (unsigned char)prefix[i]);
    fill(p->sink, '0', zeros);
    while (length--) emit(p->sink, (unsigned char)*at++);
    if (p->flags & LEFT) fill(p->sink, ' ', pad);
}

#ifdef UCRT
static unsigned exponent_digits = 2;
#else
static unsigned exponent_digits = 3;
#endif
unsigned _get_output_format(void) { return exponent_digits == 2; }
unsigned _set_output_format(unsigned format) {
    unsigned before = _get_output_format();
    if (format > 1) errno = EINVAL;
    else exponent_digits = format ? 2 : 3;
    return before;
}

/* Signs and padding around a body of `length` characters: what comes before it. */
static int open_number(Spec *p, char sign, int length) {
    int pad = p->width - length - (sign != 0);
    if (!(p->flags & LEFT) && !(p->flags & ZERO)) fill(p->sink, ' ', pad), pad = 0;
    if (sign) emit(p->sink, (unsigned char)sign);
    if (!(p->flags & LEFT)) fill(p->sink, '0', pad), pad = 0;
    return pad;
}

static void fixed(Spec *p, char sign, const char *digits, int count, int point, int precision) {
    if (p->flags & TRIM) {
        int used = count - point;
        while (used > 0 && point + used <= count && point + used > 0 && digits[point + used - 1] == '0') used--;
        if (precision > used) precision = used < 0 ? 0 : used;
    }
    int before = point > 0 ? point : 1, dot = precision > 0 || p->flags & ALTERNATE;
    int pad = open_number(p, sign, before + dot + precision);
    for (int i = point > 0 ? 0 : -1; i < (point > 0 ? point : 0); i++) emit(p->sink, i >= 0 && i < count ? (unsigned char)digits[i] : '0');
    if (dot) emit(p->sink, '.');
    for (int i = point; i < point + precision; i++) emit(p->sink, i >= 0 && i < count ? (unsigned char)digits[i] : '0');
    fill(p->sink, ' ', pad);
}

static void scientific(Spec *p, char sign, const char *digits, int count, int point, int precision) {
    if (p->flags & TRIM) {
        while (count > 1 && digits[count - 1] == '0') count--;
        if (precision > count - 1) precision = count - 1;
    }
    int exponent = digits[0] == '0' ? 0 : point - 1, minus = exponent < 0;
    if (minus) exponent = -exponent;
    int shown = exponent > 99 ? 3 : (int)exponent_digits, dot = precision > 0 || p->flags & ALTERNATE;
    int pad = open_number(p, sign, 1 + dot + precision + 2 + shown);
    emit(p->sink, (unsigned char)digits[0]);
    if (dot) emit(p->sink, '.');
    for (int i = 1; i <= precision; i++) emit(p->sink, i < count ? (unsigned char)digits[i] : '0');
    emit(p->sink, p->flags & UPPER ? 'E' : 'e');
    emit(p->sink, minus ? '-' : '+');
    for (int scale = shown == 3 ? 100 : 10; scale; scale /= 10) emit(p->sink, (unsigned)('0' + exponent / scale % 10));
    fill(p->sink, ' ', pad);
}

static void real(Spec *p, double value, char kind) {
    uint64_t bits;
    __builtin_memcpy(&bits, &value, 8);
    char sign = bits >> 63 ? '-' : p->flags & PLUS ? '+' : p->flags & SPACE ? ' ' : 0, digits[DIGITS_MAX];
    int precision = p->precision < 0 ? 6 : p->precision, point = 1, count, keep;
    bits &= INT64_MAX;
    if (bits >> 52 == 0x7ff) {
#ifdef UCRT
        const char *text = !(bits << 12) ? "inf" : bits << 12 == 1ull << 63 && sign == '-' ? "nan(ind)" : "nan";
        p->flags &= ~ZERO;
        int pad = open_number(p, sign, (int)strlen(text));
        for (; *text; text++) emit(p->sink, (unsigned char)(p->flags & UPPER && *text >= 'a' ? *text - 32 : *text));
        fill(p->sink, ' ', pad);
        return;
#endif
        /* msvcrt.dll takes these for digits: rounded, cut and filled up like those of a number. */
        strcpy(digits, !(bits << 12) ? "1#INF" : bits << 12 == 1ull << 63 && sign == '-' ? "1#IND" : "1#QNAN");
        count = (int)strlen(digits);
    } else {
        __builtin_memcpy(&value, &bits, 8);
        count = crt_digits(value, digits, &point);
    }
    if (kind == 'f') {
        keep = value == 0 ? 1 : point + precision;
        count = crt_round(digits, &point, count, &keep);
        fixed(p, sign, digits, count, point, precision);
    } else if (kind == 'e') {
        keep = precision + 1;
        count = crt_round(digits, &point, count, &keep);
        scientific(p, sign, digits, count, point, precision);
    } else {
        if (!precision) precision = 1;
        keep = precision;
        count = crt_round(digits, &point, count, &keep);
        if (!(p->flags & ALTERNATE)) p->flags |= TRIM;
        if (point - 1 < -4 || point - 1 >= precision) scientific(p, sign, digits, count, point, precision - 1);
        else fixed(p, sign, digits, count, point, precision - point);
    }
}

static unsigned at(const Sink *s, const void *format, size_t i) {
    return s->wide ? ((const wchar_t *)format)[i] : ((const unsigned char *)format)[i];
}

/* The size: bytes of an integer, or WIDE and NARROW for text. Returns the place behind it. */
static size_t size_of(Spec *p, const void *format, size_t i) {
    p->bytes = 4;
    for (;; i++) {
        unsigned c = at(p->sink, format, i);
        if (c == 'h') p->flags |= NARROW, p->bytes = p->bytes == 2 ? 1 : 2;
        else if (c == 'l') p->flags |= WIDE, p->bytes = at(p->sink, format, i + 1) == 'l' ? (i++, 8) : 4;
        else if (c == 'w') p->flags |= WIDE;
        else if (c == 'j') p->bytes = 8;
        else if (c == 'z' || c == 't') p->bytes = sizeof(size_t);
        else if (c == 'I') {
            unsigned x = at(p->sink, format, i + 1), y = at(p->sink, format, i + 2);
            if (x == '6' && y == '4') i += 2, p->bytes = 8;
            else if (x == '3' && y == '2') i += 2;
            else p->bytes = sizeof(size_t);
        } else if (c != 'L') return i;
    }
}

static void convert(Spec *p, unsigned c, va_list *values) {
    int wide = (p->flags & WIDE) || (p->sink->wide && !(p->flags & NARROW));
    if (c == 'C' || c == 'S') {
        wide = (p->flags & WIDE) || (!p->sink->wide && !(p->flags & NARROW));
        c += 'a' - 'A';
    }
    if (c == 'X' || c == 'E' || c == 'G') p->flags |= UPPER;
    switch (c) {
    case 'd':
    case 'i': {
        int64_t value = p->bytes == 8 ? va_arg(*values, int64_t) : va_arg(*values, int);
        if (p->bytes == 2) value = (short)value;
        if (p->bytes == 1) value = (signed char)value;
        whole(p, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10,
              value < 0 ? '-' : p->flags & PLUS ? '+' : p->flags & SPACE ? ' ' : 0);
        return;
    }
    case 'u':
    case 'o':
    case 'x':
    case 'X': {
        uint64_t value = p->bytes == 8 ? va_arg(*values, uint64_t) : va_arg(*values, unsigned);
        if (p->bytes < 4) value &= p->bytes == 2 ? 0xffff : 0xff;
        whole(p, value, c == 'u' ? 10 : c == 'o' ? 8 : 16, 0);
        return;
    }
    case 'p':
        p->flags = (p->flags & LEFT) | UPPER;
        p->precision = 16;
        whole(p, (uintptr_t)va_arg(*values, void *), 16, 0);
        return;
    case 'c': character(p, wide ? (wchar_t)va_arg(*values, int) : (unsigned char)va_arg(*values, int)); return;
    case 's': text(p, va_arg(*values, void *), wide); return;
    case 'n': {
        void *to = va_arg(*values, void *);
        size_t count = p->sink->count;
        memcpy(to, &count, (size_t)p->bytes);
        return;
    }
    case 'e':
    case 'E': real(p, va_arg(*values, double), 'e'); return;
    case 'f':
    case 'F': real(p, va_arg(*values, double), 'f'); return;
    case 'g':
    case 'G': real(p, va_arg(*values, double), 'g'); return;
    default: emit(p->sink, c);
    }
}

static size_t number(const Sink *s, const void *format, size_t i, int *value) {
    for (*value = 0; at(s, format, i) >= '0' && at(s, format, i) <= '9'; i++)
        if (*value < 100000000) *value = 10 * *value + (int)(at(s, format, i) - '0');
    return i;
}

/* Formats; returns the count of characters, or -1. */
int crt_print(Sink *s, const void *format, va_list list) {
    va_list values;
    va_copy(values, list);
    for (size_t i = 0; at(s, format, i); i++) {
        if (at(s, format, i) != '%') {
            emit(s, at(s, format, i));
            continue;
        }
        Spec p = {.sink = s, .precision = -1};
        for (i++;; i++) {
            unsigned c = at(s, format, i);
            int flag = c == '-' ? LEFT : c == '+' ? PLUS : c == ' ' ? SPACE : c == '#' ? ALTERNATE : c == '0' ? ZERO : 0;
            if (!flag) break;
            p.flags |= flag;
        }
        if (at(s, format, i) == '*') {
            i++;
            p.width = va_arg(values, int);
            if (p.width < 0) p.width = -p.width, p.flags |= LEFT;
        } else {
            i = number(s, format, i, &p.width);
        }
        if (at(s, format, i) == '.') {
            i++;
            if (at(s, format, i) == '*') {
                i++;
                p.precision = va_arg(values, int);
            } else {
                i = number(s, format, i, &p.precision);
            }
        }
        i = size_of(&p, format, i);
        if (!at(s, format, i)) break;
        convert(&p, at(s, format, i), &values);
    }
    va_end(values);
    if (s->file && s->file->_flag & _IOERR) s->failed = 1;
    return s->failed ? -1 : (int)s->count;
}
