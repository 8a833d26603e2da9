/* Classes of characters in the "C" locale. */
#include "crt.h"

enum { UPPER = 1, LOWER = 2, DIGIT = 4, SPACE = 8, PUNCT = 16, CONTROL = 32, BLANK = 64, HEX = 128, ALPHA = 0x100 };

static int class_of(int c) {
    if (c < 0 || c > 127) return 0;
    if (c >= '0' && c <= '9') return DIGIT | HEX;
    if (c >= 'A' && c <= 'Z') return UPPER | ALPHA | (c <= 'F' ? HEX : 0);
    if (c >= 'a' && c <= 'z') return LOWER | ALPHA | (c <= 'f' ? HEX : 0);
    if (c == ' ') return SPACE | BLANK;
    if (c == '\t') return SPACE | CONTROL | BLANK;
    if (c > '\t' && c <= '\r') return SPACE | CONTROL;
    return c < ' ' || c == 127 ? CONTROL : PUNCT;
}

/* The table that macros in programs read, through `_pctype`; its first entry is that of EOF. */
static unsigned short table[257];
unsigned short *_pctype = table + 1;

void crt_ctype_begin(void) {
    /* A tab is no BLANK in the table. */
    for (int c = 0; c < 128; c++) table[c + 1] = (unsigned short)(class_of(c) & ~(c == '\t' ? BLANK : 0));
}

unsigned short **__pctype_func(void) { return &_pctype; }

int _isctype(int c, int mask) { return (c == '\t' ? class_of(c) & ~BLANK : class_of(c)) & mask; }

#define CLASS(name, mask) \
    int is##name(int c) { return class_of(c) & (mask); } \
    int isw##name(unsigned short c) { return class_of(c) & (mask); }
CLASS(alpha, ALPHA)
CLASS(upper, UPPER)
CLASS(lower, LOWER)
CLASS(digit, DIGIT)
CLASS(xdigit, HEX)
CLASS(space, SPACE)
CLASS(punct, PUNCT)
CLASS(cntrl, CONTROL)
CLASS(alnum, ALPHA | DIGIT)
CLASS(graph, ALPHA | DIGIT | PUNCT)
int isprint(int c) { return c == ' ' ? BLANK : isgraph(c); }
int iswprint(unsigned short c) { return isprint(c); }
int iswctype(unsigned short c, unsigned short mask) { return _isctype(c, mask); }
int __isascii(int c) { return (unsigned)c < 128; }
int __toascii(int c) { return c & 127; }
int __iscsym(int c) { return c == '_' || isalnum(c); }
int __iscsymf(int c) { return c == '_' || isalpha(c); }

int tolower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
int toupper(int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }
int _tolower(int c) { return c + 32; }
int _toupper(int c) { return c - 32; }
