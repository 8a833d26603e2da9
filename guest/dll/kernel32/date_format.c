/* Dates and times as texts: English of the United States. */
#include "files.h"

#define DATE_LONGDATE 2
enum { TIME_NOMINUTESORSECONDS = 1, TIME_NOSECONDS = 2, TIME_NOTIMEMARKER = 4, TIME_FORCE24HOURFORMAT = 8 };

static const WCHAR *const BasepDays[] = {L"Sunday", L"Monday", L"Tuesday", L"Wednesday", L"Thursday", L"Friday", L"Saturday"};
static const WCHAR *const BasepMonths[] = {L"January", L"February", L"March", L"April", L"May", L"June", L"July",
                                           L"August", L"September", L"October", L"November", L"December"};

static void BasepShowText(BASEP_TEXT *out, const WCHAR *text, ULONG most) {
    for (; *text && most; text++, most--) BasepPut(out, *text);
}
static void BasepShowNumber(BASEP_TEXT *out, ULONG value, ULONG digits) {
    WCHAR text[10];
    ULONG n = 0;
    do text[n++] = (WCHAR)('0' + value % 10), value /= 10;
    while (value || n < digits);
    while (n) BasepPut(out, text[--n]);
}

/* One letter of a picture, so many times. */
static void BasepShowDate(BASEP_TEXT *out, WCHAR letter, ULONG count, const SYSTEMTIME *t) {
    if (letter == 'd' && count > 2) BasepShowText(out, BasepDays[t->wDayOfWeek], count == 3 ? 3 : 99);
    else if (letter == 'M' && count > 2) BasepShowText(out, BasepMonths[t->wMonth - 1], count == 3 ? 3 : 99);
    else if (letter == 'y') BasepShowNumber(out, count > 2 ? t->wYear : t->wYear % 100, count == 1 ? 1 : 2);
    else if (letter == 'g') BasepShowText(out, L"A.D.", 99);
    else BasepShowNumber(out, letter == 'd' ? t->wDay : t->wMonth, count);
}
static void BasepShowTime(BASEP_TEXT *out, WCHAR letter, ULONG count, const SYSTEMTIME *t) {
    ULONG hour = t->wHour;
    if (letter == 'h') hour = hour % 12 ? hour % 12 : 12;
    if (letter == 't') BasepShowText(out, t->wHour < 12 ? L"AM" : L"PM", count == 1 ? 1 : 2);
    else BasepShowNumber(out, letter == 'm' ? t->wMinute : letter == 's' ? t->wSecond : hour, count > 2 ? 2 : count);
}

/* A picture's text; what stands between quotes as it is. */
static int BasepPicture(const WCHAR *picture, const WCHAR *letters, void (*put)(BASEP_TEXT *, WCHAR, ULONG, const SYSTEMTIME *),
                        const SYSTEMTIME *time, WCHAR *to, int room) {
    BASEP_TEXT out = {to, 0, to ? (ULONG)room : 0};
    for (const WCHAR *at = picture; *at;) {
        const WCHAR *known = letters;
        WCHAR c = *at;
        ULONG count = 1;
        while (*known && *known != c) known++;
        if (c == '\'') {
            for (at++; *at && !(*at == '\'' && *++at != '\''); at++) BasepPut(&out, *at);
        } else if (!*known) {
            BasepPut(&out, *at++);
        } else {
            while (at[count] == c) count++;
            put(&out, c, count, time);
            at += count;
        }
    }
    BasepPut(&out, 0);
    if (room && out.length > (ULONG)room) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    return (int)out.length;
}

/* A time that the caller gives, or now; its day of the week is worked out. */
static BOOL BasepGivenTime(const SYSTEMTIME *given, SYSTEMTIME *time) {
    FILETIME file;
    if (!given) return GetLocalTime(time), TRUE;
    return SystemTimeToFileTime(given, &file) && FileTimeToSystemTime(&file, time);
}

/* `GetDateFormatEx`. */
int NTAPI GetDateFormatEx(const WCHAR *locale, ULONG flags, const SYSTEMTIME *given, const WCHAR *picture, WCHAR *to, int room,
                          const WCHAR *calendar) {
    SYSTEMTIME time;
    (void)locale, (void)calendar;
    if (room < 0 || (room && !to)) return BasepFail(ERROR_INVALID_PARAMETER);
    if (picture && flags & 3) return BasepFail(ERROR_INVALID_FLAGS);
    if (!BasepGivenTime(given, &time)) return 0;
    if (!picture) picture = flags & DATE_LONGDATE ? L"dddd, MMMM d, yyyy" : L"M/d/yyyy";
    return BasepPicture(picture, L"dMyg", BasepShowDate, &time, to, room);
}
int NTAPI GetDateFormatW(ULONG locale, ULONG flags, const SYSTEMTIME *given, const WCHAR *picture, WCHAR *to, int room) {
    (void)locale;
    return GetDateFormatEx(NULL, flags, given, picture, to, room, NULL);
}

/* `GetTimeFormatEx`: of a picture of the caller's, TIME_NOSECONDS and its like are refused. */
int NTAPI GetTimeFormatEx(const WCHAR *locale, ULONG flags, const SYSTEMTIME *given, const WCHAR *picture, WCHAR *to, int room) {
    static const WCHAR *const pictures[] = {L"h:mm:ss tt", L"h tt", L"h:mm tt", L"h tt", L"H:mm:ss tt", L"H tt", L"H:mm tt", L"H tt"};
    static const WCHAR *const markless[] = {L"h:mm:ss", L"h", L"h:mm", L"h", L"H:mm:ss", L"H", L"H:mm", L"H"};
    SYSTEMTIME time;
    (void)locale;
    if (room < 0 || (room && !to)) return BasepFail(ERROR_INVALID_PARAMETER);
    if (picture && flags & 0xf) return BasepFail(ERROR_INVALID_FLAGS);
    if (given && (given->wHour > 23 || given->wMinute > 59 || given->wSecond > 59)) return BasepFail(ERROR_INVALID_PARAMETER);
    if (given) time = *given;
    else GetLocalTime(&time);
    ULONG which = (flags & 3) | (flags & TIME_FORCE24HOURFORMAT ? 4 : 0);
    if (!picture) picture = (flags & TIME_NOTIMEMARKER ? markless : pictures)[which];
    return BasepPicture(picture, L"hHmst", BasepShowTime, &time, to, room);
}
int NTAPI GetTimeFormatW(ULONG locale, ULONG flags, const SYSTEMTIME *given, const WCHAR *picture, WCHAR *to, int room) {
    (void)locale;
    return GetTimeFormatEx(NULL, flags, given, picture, to, room);
}
