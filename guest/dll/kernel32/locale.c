/* Languages: English of the United States for everybody. Letters of other scripts are known by their cases alone. */
#include "files.h"

#define LCID_ENGLISH 0x409
enum { CSTR_LESS_THAN = 1, CSTR_EQUAL, CSTR_GREATER_THAN };
enum { C1_UPPER = 1, C1_LOWER = 2, C1_DIGIT = 4, C1_SPACE = 8, C1_PUNCT = 0x10, C1_CNTRL = 0x20, C1_BLANK = 0x40, C1_XDIGIT = 0x80, C1_ALPHA = 0x100, C1_DEFINED = 0x200 };
#define LCMAP_LOWERCASE 0x100
#define LCMAP_UPPERCASE 0x200
#define LCMAP_SORTKEY 0x400

static USHORT BasepType1(WCHAR c) {
    USHORT type = C1_DEFINED;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) type |= C1_CNTRL;
    if ((c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0) type |= C1_SPACE;
    if (c == 9 || c == ' ' || c == 0xa0) type |= C1_BLANK;
    if (c >= '0' && c <= '9') type |= C1_DIGIT | C1_XDIGIT;
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) type |= C1_XDIGIT;
    if (RtlUpcaseUnicodeChar(c) != c || c == 0xdf) type |= C1_LOWER | C1_ALPHA;
    if (RtlDowncaseUnicodeChar(c) != c) type |= C1_UPPER | C1_ALPHA;
    if (c > 0x17f && !(type & C1_ALPHA)) type |= C1_ALPHA;
    if (c > 0x20 && c < 0x7f && !(type & (C1_DIGIT | C1_ALPHA))) type |= C1_PUNCT;
    return type;
}

/* `GetStringTypeW`: CT_CTYPE1 alone. */
BOOL NTAPI GetStringTypeW(ULONG kind, const WCHAR *text, int count, USHORT *to) {
    if (!text || !to || kind < 1 || kind > 4) return BasepFail(ERROR_INVALID_PARAMETER);
    if (kind != 1) return BasepFail(ERROR_NOT_SUPPORTED);
    if (count < 0) count = (int)wcslen(text) + 1;
    for (int i = 0; i < count; i++) to[i] = BasepType1(text[i]);
    return TRUE;
}
BOOL NTAPI GetStringTypeExW(ULONG locale, ULONG kind, const WCHAR *text, int count, USHORT *to) {
    (void)locale;
    return GetStringTypeW(kind, text, count, to);
}

/* `LCMapStringEx`: cases; no sort keys. */
int NTAPI LCMapStringEx(const WCHAR *locale, ULONG flags, const WCHAR *from, int count, WCHAR *to, int room, PVOID version, PVOID reserved, ULONG_PTR handle) {
    (void)locale, (void)version, (void)reserved, (void)handle;
    if (!from || !count || room < 0 || (room && !to)) return BasepFail(ERROR_INVALID_PARAMETER);
    if (flags & LCMAP_SORTKEY) return BasepFail(ERROR_NOT_SUPPORTED);
    if (count < 0) count = (int)wcslen(from) + 1;
    if (!room) return count;
    if (room < count) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    for (int i = 0; i < count; i++) to[i] = flags & LCMAP_UPPERCASE ? RtlUpcaseUnicodeChar(from[i]) : flags & LCMAP_LOWERCASE ? RtlDowncaseUnicodeChar(from[i]) : from[i];
    return count;
}
int NTAPI LCMapStringW(ULONG locale, ULONG flags, const WCHAR *from, int count, WCHAR *to, int room) {
    (void)locale;
    return LCMapStringEx(NULL, flags, from, count, to, room, NULL, NULL, 0);
}
int NTAPI LCMapStringA(ULONG locale, ULONG flags, const char *from, int count, char *to, int room) {
    (void)locale;
    if (!from || !count || flags & LCMAP_SORTKEY) return BasepFail(ERROR_INVALID_PARAMETER);
    if (count < 0) count = (int)strlen(from) + 1;
    if (!room) return count;
    if (room < count) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    for (int i = 0; i < count; i++) {
        WCHAR c = (UCHAR)from[i];
        to[i] = c > 0x7f ? from[i] : (char)(flags & LCMAP_UPPERCASE ? RtlUpcaseUnicodeChar(c) : flags & LCMAP_LOWERCASE ? RtlDowncaseUnicodeChar(c) : c);
    }
    return count;
}

/* `CompareStringEx`: letters before their cases, as words are sorted; then by value. */
static int BasepCompare(const WCHAR *a, int na, const WCHAR *b, int nb, ULONG flags) {
    if (na < 0) na = (int)wcslen(a);
    if (nb < 0) nb = (int)wcslen(b);
    for (int i = 0; i < na && i < nb; i++) {
        WCHAR x = RtlDowncaseUnicodeChar(a[i]), y = RtlDowncaseUnicodeChar(b[i]);
        if (x != y) return x < y ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
    }
    if (na != nb) return na < nb ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
    /* NORM_IGNORECASE, LINGUISTIC_IGNORECASE; a small letter comes first. */
    for (int i = 0; i < na && !(flags & 0x11); i++)
        if (a[i] != b[i]) return a[i] > b[i] ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
    return CSTR_EQUAL;
}
int NTAPI CompareStringEx(const WCHAR *locale, ULONG flags, const WCHAR *a, int na, const WCHAR *b, int nb, PVOID version, PVOID reserved, ULONG_PTR handle) {
    (void)locale, (void)version, (void)reserved, (void)handle;
    if (!a || !b) return BasepFail(ERROR_INVALID_PARAMETER);
    return BasepCompare(a, na, b, nb, flags);
}
int NTAPI CompareStringW(ULONG locale, ULONG flags, const WCHAR *a, int na, const WCHAR *b, int nb) {
    (void)locale;
    return CompareStringEx(NULL, flags, a, na, b, nb, NULL, NULL, 0);
}
int NTAPI CompareStringA(ULONG locale, ULONG flags, const char *a, int na, const char *b, int nb) {
    (void)locale;
    if (!a || !b) return BasepFail(ERROR_INVALID_PARAMETER);
    if (na < 0) na = (int)strlen(a);
    if (nb < 0) nb = (int)strlen(b);
    WCHAR *x = BasepAllocate(((SIZE_T)na + (SIZE_T)nb + 2) * 2), *y = x + na;
    if (!x) return 0;
    for (int i = 0; i < na; i++) x[i] = (UCHAR)a[i];
    for (int i = 0; i < nb; i++) y[i] = (UCHAR)b[i];
    int result = BasepCompare(x, na, y, nb, flags);
    BasepFree(x);
    return result;
}

/* What is known of the one locale. */
static const struct { ULONG type; const WCHAR *text; } BasepFacts[] = {
    {1, L"0409"}, {2, L"English (United States)"}, {3, L"ENU"}, {4, L"English"}, {5, L"1"}, {6, L"United States"}, {7, L"USA"}, {8, L"United States"},
    {9, L"0409"}, {0xb, L"437"}, {0xc, L","}, {0xd, L"1"}, {0xe, L"."}, {0xf, L","}, {0x10, L"3;0"}, {0x11, L"2"}, {0x12, L"1"}, {0x13, L"0123456789"},
    {0x14, L"$"}, {0x15, L"USD"}, {0x16, L"."}, {0x17, L","}, {0x1d, L"/"}, {0x1e, L":"}, {0x1f, L"M/d/yyyy"}, {0x20, L"dddd, MMMM d, yyyy"},
    {0x28, L"AM"}, {0x29, L"PM"}, {0x51, L"-"}, {0x59, L"en"}, {0x5a, L"US"}, {0x5c, L"en-US"}, {0x1001, L"English"}, {0x1002, L"United States"},
    {0x1003, L"h:mm:ss tt"}, {0x1004, L"1252"},
};
static const WCHAR *BasepFact(ULONG type) {
    type &= 0xffff;
    for (ULONG i = 0; i < sizeof BasepFacts / sizeof *BasepFacts; i++)
        if (BasepFacts[i].type == type) return BasepFacts[i].text;
    return NULL;
}

/* `GetLocaleInfoW`: with LOCALE_RETURN_NUMBER as a number. */
int NTAPI GetLocaleInfoW(ULONG locale, ULONG type, WCHAR *to, int room) {
    const WCHAR *text = BasepFact(type);
    (void)locale;
    if (!text || room < 0 || (room && !to)) return BasepFail(text ? ERROR_INVALID_PARAMETER : ERROR_INVALID_FLAGS);
    int size = (int)wcslen(text) + 1;
    if (type & 0x20000000) {
        ULONG number = 0, base = (type & 0xffff) == 1 || (type & 0xffff) == 9 ? 16 : 10;
        for (; *text; text++) number = number * base + (ULONG)(*text - '0');
        if (room < 2) return room ? BasepFail(ERROR_INSUFFICIENT_BUFFER) : 2;
        memmove(to, &number, 4);
        return 2;
    }
    if (!room) return size;
    if (room < size) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    memmove(to, text, (SIZE_T)size * 2);
    return size;
}
int NTAPI GetLocaleInfoEx(const WCHAR *locale, ULONG type, WCHAR *to, int room) {
    (void)locale;
    return GetLocaleInfoW(LCID_ENGLISH, type, to, room);
}
int NTAPI GetLocaleInfoA(ULONG locale, ULONG type, char *to, int room) {
    WCHAR wide[64];
    int size = GetLocaleInfoW(locale, type, wide, 64);
    if (!size) return 0;
    if (type & 0x20000000) {
        if (room >= 4) memmove(to, wide, 4);
        return room && room < 4 ? BasepFail(ERROR_INSUFFICIENT_BUFFER) : 4;
    }
    if (!room) return size;
    if (room < size) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    for (int i = 0; i < size; i++) to[i] = (char)wide[i];
    return size;
}

ULONG NTAPI GetUserDefaultLCID(void) { return LCID_ENGLISH; }
ULONG NTAPI GetSystemDefaultLCID(void) { return LCID_ENGLISH; }
ULONG NTAPI GetThreadLocale(void) { return LCID_ENGLISH; }
USHORT NTAPI GetUserDefaultLangID(void) { return LCID_ENGLISH; }
USHORT NTAPI GetSystemDefaultLangID(void) { return LCID_ENGLISH; }
USHORT NTAPI GetUserDefaultUILanguage(void) { return LCID_ENGLISH; }
USHORT NTAPI GetSystemDefaultUILanguage(void) { return LCID_ENGLISH; }
BOOL NTAPI SetThreadLocale(ULONG locale) { return locale == LCID_ENGLISH || locale == 0x400 || locale == 0x800 ? TRUE : BasepFail(ERROR_INVALID_PARAMETER); }
BOOL NTAPI IsValidLocale(ULONG locale, ULONG flags) {
    (void)flags;
    return locale == LCID_ENGLISH;
}
static BOOL BasepIsEnglish(const WCHAR *name) {
    static const char english[] = "en-us";
    ULONG i = 0;
    for (; english[i]; i++)
        if ((name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]) != english[i]) return FALSE;
    return !name[i];
}
BOOL NTAPI IsValidLocaleName(const WCHAR *name) { return name && BasepIsEnglish(name); }
ULONG NTAPI LocaleNameToLCID(const WCHAR *name, ULONG flags) {
    (void)flags;
    if (name && *name && !BasepIsEnglish(name)) return (ULONG)BasepFail(ERROR_INVALID_PARAMETER);
    return name && !*name ? 0x7f : LCID_ENGLISH;
}
int NTAPI LCIDToLocaleName(ULONG locale, WCHAR *to, int room, ULONG flags) {
    (void)flags;
    return locale == 0x7f ? BasepFail(ERROR_INVALID_PARAMETER) : GetLocaleInfoW(locale, 0x5c, to, room);
}
int NTAPI GetUserDefaultLocaleName(WCHAR *to, int room) { return GetLocaleInfoW(LCID_ENGLISH, 0x5c, to, room); }
int NTAPI GetSystemDefaultLocaleName(WCHAR *to, int room) { return GetLocaleInfoW(LCID_ENGLISH, 0x5c, to, room); }
BOOL NTAPI EnumSystemLocalesW(BOOL(NTAPI *routine)(WCHAR *), ULONG flags) {
    WCHAR name[] = L"00000409";
    (void)flags;
    routine(name);
    return TRUE;
}
BOOL NTAPI EnumSystemLocalesEx(BOOL(NTAPI *routine)(WCHAR *, ULONG, ULONG_PTR), ULONG flags, ULONG_PTR context, PVOID reserved) {
    WCHAR name[] = L"en-US";
    (void)flags, (void)reserved;
    routine(name, 0x20, context);
    return TRUE;
}

/* The languages of the user interface: with flag 8 (MUI_LANGUAGE_NAME) by name, else by number. */
BOOL NTAPI GetUserPreferredUILanguages(ULONG flags, ULONG *count, WCHAR *to, ULONG *size) {
    static const WCHAR name[] = L"en-US\0", number[] = L"0409\0";
    ULONG units = flags & 4 ? sizeof number / 2 : sizeof name / 2;
    *count = 1;
    if (to && *size < units) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    if (to) memmove(to, flags & 4 ? number : name, units * 2);
    *size = units;
    return TRUE;
}

/* `GetCPInfo`. */
typedef struct { ULONG MaxCharSize; UCHAR DefaultChar[2], LeadByte[12]; } CPINFO;
BOOL NTAPI GetCPInfo(ULONG page, CPINFO *to) {
    BOOL utf8 = page == 65001 || page <= 3;
    if (!utf8 && page != 1252 && page != 437 && page != 20127 && page != 28591) return BasepFail(ERROR_INVALID_PARAMETER);
    *to = (CPINFO){utf8 ? 4 : 1, {'?', 0}, {0}};
    return TRUE;
}
typedef struct { ULONG MaxCharSize; UCHAR DefaultChar[2], LeadByte[12]; WCHAR UnicodeDefaultChar; ULONG CodePage; WCHAR Name[260]; } CPINFOEXW;
BOOL NTAPI GetCPInfoExW(ULONG page, ULONG flags, CPINFOEXW *to) {
    static const WCHAR name[] = L"65001 (UTF-8)";
    CPINFO info;
    (void)flags;
    if (!GetCPInfo(page, &info)) return FALSE;
    *to = (CPINFOEXW){.MaxCharSize = info.MaxCharSize, .DefaultChar = {'?', 0}, .UnicodeDefaultChar = 0xfffd, .CodePage = page <= 3 ? 65001 : page};
    memmove(to->Name, name, sizeof name);
    return TRUE;
}
/* `GetUserGeoID`: the United States. */
LONG NTAPI GetUserGeoID(ULONG class) { return class == 16 ? 244 : class == 14 ? 39070 : BasepFail(ERROR_INVALID_PARAMETER); }
