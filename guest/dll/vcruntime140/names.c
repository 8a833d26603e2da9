/* The name of a type as C++ writes it, out of the one that the compiler has decorated it with.
 *
 * Classes, structures, unions and enumerations that are no templates, in namespaces and in each other, the types that are
 * built in, and pointers and references to all of these are understood. Of others the decorated name is given as it is,
 * where Microsoft's library has words.
 */
#include "cxx.h"

typedef struct {
    char *to;
    size_t room, length;
} CXX_TEXT;

static BOOLEAN CxxPut(CXX_TEXT *text, const char *from, size_t size) {
    if (size >= text->room - text->length) return FALSE;
    memcpy(text->to + text->length, from, size);
    text->length += size;
    text->to[text->length] = 0;
    return TRUE;
}
static BOOLEAN CxxWord(CXX_TEXT *text, const char *word) { return CxxPut(text, word, strlen(word)); }

/* A name of parts that end in `@`, the innermost first; behind the last is another. */
static BOOLEAN CxxParts(CXX_TEXT *text, const char **at) {
    const char *part = *at, *end = part;
    while (*end && *end != '@') end++;
    if (!*end || end == part || *part == '?' || (*part >= '0' && *part <= '9')) return FALSE;
    *at = end + 1;
    if (**at != '@' && (!CxxParts(text, at) || !CxxWord(text, "::"))) return FALSE;
    return CxxPut(text, part, (size_t)(end - part));
}

static const struct { char code[3], *name; } CxxBuiltIn[] = {
    {"C", "signed char"}, {"D", "char"}, {"E", "unsigned char"}, {"F", "short"}, {"G", "unsigned short"}, {"H", "int"},
    {"I", "unsigned int"}, {"J", "long"}, {"K", "unsigned long"}, {"M", "float"}, {"N", "double"}, {"O", "long double"},
    {"X", "void"}, {"_J", "__int64"}, {"_K", "unsigned __int64"}, {"_N", "bool"}, {"_S", "char16_t"}, {"_U", "char32_t"},
    {"_W", "wchar_t"}, {"_Q", "char8_t"},
};

static BOOLEAN CxxClass(CXX_TEXT *text, const char **at) {
    const char *kind = **at == 'V' ? "class " : **at == 'U' ? "struct " : **at == 'T' ? "union " : **at == 'W' ? "enum " : NULL;
    if (!kind) return FALSE;
    *at += 1;
    /* What an enumeration is kept in: `int`. */
    if (*kind == 'e' && *(*at)++ != '4') return FALSE;
    if (!CxxWord(text, kind) || !CxxParts(text, at)) return FALSE;
    return *(*at)++ == '@';
}

static BOOLEAN CxxType(CXX_TEXT *text, const char **at) {
    static const char *const qualifiers[] = {"", " const", " volatile", " const volatile"};
    const char *pointer = **at == 'A' ? " &" : **at >= 'P' && **at <= 'S' ? " *" : NULL;
    if (pointer) {
        /* Whether the pointer is const itself, what points to it says too. */
        *at += 1;
        BOOLEAN wide = **at == 'E';
        if (wide) *at += 1;
        char qualifier = *(*at)++;
        if (qualifier < 'A' || qualifier > 'D' || !CxxType(text, at)) return FALSE;
        return CxxWord(text, qualifiers[qualifier - 'A']) && CxxWord(text, pointer) && CxxWord(text, wide ? " __ptr64" : "");
    }
    for (size_t i = 0; i < sizeof CxxBuiltIn / sizeof *CxxBuiltIn; i++) {
        size_t size = strlen(CxxBuiltIn[i].code);
        if ((*at)[0] != CxxBuiltIn[i].code[0] || (size > 1 && (*at)[1] != CxxBuiltIn[i].code[1])) continue;
        *at += size;
        return CxxWord(text, CxxBuiltIn[i].name);
    }
    return CxxClass(text, at);
}

/* How long it is. */
size_t CxxTypeName(const char *decorated, char *to, size_t room) {
    CXX_TEXT text = {to, room, 0};
    const char *at = decorated;
    /* A class itself is marked so, unlike one that is pointed to. */
    if (at[0] == '?' && at[1] >= 'A' && at[1] <= 'D') at += 2;
    if (CxxType(&text, &at) && !*at) return text.length;
    text.length = 0;
    for (size_t size = strlen(decorated); !CxxPut(&text, decorated, size); size = room - 1) {}
    return text.length;
}
