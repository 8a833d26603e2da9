/* The calendar and the clock. Local time is UTC less the bias of KUSER_SHARED_DATA; there is no daylight saving. */
#include "crt.h"

typedef struct { int sec, min, hour, mday, mon, year, wday, yday, isdst; } Tm;
_Static_assert(sizeof(Tm) == sizeof ((Thread *)0)->broken_time, "struct tm");

#define SECOND 10000000
#define FROM_1601 11644473600
#define DAY 86400
#define YEAR_3000 32535215999

static int64_t begun;
long _timezone;
int _daylight;
static char utc[] = "UTC";
char *_tzname[2] = {utc, utc};

static int64_t now(void) {
    int64_t ticks = 0;
    NtQuerySystemTime(&ticks);
    return ticks;
}

void crt_time_begin(void) {
    begun = now();
    _timezone = (long)(FIELD(int64_t, 0x7ffe0000, 0x20) / SECOND);
}

int64_t _time64(int64_t *result) {
    int64_t seconds = now() / SECOND - FROM_1601;
    if (result) *result = seconds;
    return seconds;
}
int _time32(int *result) {
    int seconds = (int)_time64(NULL);
    if (result) *result = seconds;
    return seconds;
}

/* Milliseconds since the process began. */
long clock(void) { return (long)((now() - begun) / 10000); }

typedef struct { int64_t time; unsigned short milliseconds; short zone, daylight; } Timeb;
void _ftime64(Timeb *result) {
    int64_t ticks = now();
    *result = (Timeb){ticks / SECOND - FROM_1601, (unsigned short)(ticks / 10000 % 1000), (short)(_timezone / 60), 0};
}
typedef struct { int time; unsigned short milliseconds; short zone, daylight; } Timeb32;
void _ftime32(Timeb32 *result) {
    Timeb wide;
    _ftime64(&wide);
    *result = (Timeb32){(int)wide.time, wide.milliseconds, wide.zone, wide.daylight};
}

double _difftime64(int64_t a, int64_t b) { return (double)(a - b); }
double _difftime32(int a, int b) { return (double)a - b; }

/* Days from 1970 to the first of a year, and of a month in it. */
static int64_t days_to_year(int64_t year) {
    year--;
    return 365 * (year - 1969) + (year / 4 - 492) - (year / 100 - 19) + (year / 400 - 4);
}
static int leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }
static const short before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
static int days_to_month(int64_t year, int month) { return before_month[month] + (month > 1 && leap(year)); }

static Tm *break_down(int64_t seconds, Tm *t) {
    if (seconds < 0 || seconds > YEAR_3000) {
        errno = EINVAL;
        return NULL;
    }
    int64_t days = seconds / DAY, rest = seconds % DAY, year = 1970 + days / 366;
    while (days_to_year(year + 1) <= days) year++;
    int day = (int)(days - days_to_year(year)), month = 0;
    while (days_to_month(year, month + 1) <= day) month++;
    *t = (Tm){
        .sec = (int)(rest % 60), .min = (int)(rest / 60 % 60), .hour = (int)(rest / 3600),
        .mday = day - days_to_month(year, month) + 1, .mon = month, .year = (int)(year - 1900),
        .wday = (int)((days + 4) % 7), .yday = day,
    };
    return t;
}

static Tm *mine(void) { return (Tm *)crt_thread()->broken_time; }
Tm *_gmtime64(const int64_t *time) { return break_down(*time, mine()); }
Tm *_localtime64(const int64_t *time) { return *time < 0 ? break_down(-1, mine()) : break_down(*time - _timezone, mine()); }
Tm *_gmtime32(const int *time) { return break_down(*time, mine()); }
Tm *_localtime32(const int *time) { return break_down((int64_t)*time - _timezone, mine()); }
int _gmtime64_s(Tm *result, const int64_t *time) { return break_down(*time, result) ? 0 : EINVAL; }
int _localtime64_s(Tm *result, const int64_t *time) { return break_down(*time - _timezone, result) ? 0 : EINVAL; }

static int64_t make(Tm *t, int64_t zone) {
    int64_t year = 1900 + (int64_t)t->year + t->mon / 12, month = t->mon % 12;
    if (month < 0) month += 12, year--;
    int64_t seconds = (days_to_year(year) + days_to_month(year, (int)month) + t->mday - 1) * DAY + t->hour * (int64_t)3600
        + t->min * (int64_t)60 + t->sec;
    if (!break_down(seconds, t)) return -1;
    return seconds + zone;
}
int64_t _mktime64(Tm *t) { return make(t, _timezone); }
int64_t _mkgmtime64(Tm *t) { return make(t, 0); }
int _mktime32(Tm *t) { return (int)_mktime64(t); }

static const char days[7][10] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char months[12][10] = {"January", "February", "March", "April", "May", "June", "July", "August",
                                    "September", "October", "November", "December"};

typedef struct { char *at; size_t left; int full; } Text;
static void add(Text *o, const char *text, size_t count) {
    if (count >= o->left) {
        o->full = 1;
        return;
    }
    memcpy(o->at, text, count);
    o->at += count;
    o->left -= count;
}
static void digits(Text *o, int value, int width) {
    char text[12];
    for (int i = width; i--; value /= 10) text[i] = (char)('0' + value % 10);
    add(o, text, (size_t)width);
}
static void several(Text *o, const Tm *t, const char *format);

static void one(Text *o, const Tm *t, char c) {
    const char *day = days[(unsigned)t->wday % 7], *month = months[(unsigned)t->mon % 12];
    switch (c) {
    case 'a': add(o, day, 3); return;
    case 'A': add(o, day, strlen(day)); return;
    case 'b': add(o, month, 3); return;
    case 'B': add(o, month, strlen(month)); return;
    case 'c': several(o, t, "%m/%d/%y %H:%M:%S"); return;
    case 'd': digits(o, t->mday, 2); return;
    case 'H': digits(o, t->hour, 2); return;
    case 'I': digits(o, (t->hour + 11) % 12 + 1, 2); return;
    case 'j': digits(o, t->yday + 1, 3); return;
    case 'm': digits(o, t->mon + 1, 2); return;
    case 'M': digits(o, t->min, 2); return;
    case 'p': add(o, t->hour < 12 ? "AM" : "PM", 2); return;
    case 'S': digits(o, t->sec, 2); return;
    case 'U': digits(o, (t->yday + 7 - t->wday) / 7, 2); return;
    case 'w': digits(o, t->wday, 1); return;
    case 'W': digits(o, (t->yday + 7 - (t->wday + 6) % 7) / 7, 2); return;
    case 'x': several(o, t, "%m/%d/%y"); return;
    case 'X': several(o, t, "%H:%M:%S"); return;
    case 'y': digits(o, t->year % 100, 2); return;
    case 'Y': digits(o, t->year + 1900, 4); return;
    case 'z':
    case 'Z': add(o, _tzname[0], strlen(_tzname[0])); return;
    default: add(o, &c, 1);
    }
}
static void several(Text *o, const Tm *t, const char *format) {
    for (; *format; format++) {
        if (*format != '%') {
            add(o, format, 1);
            continue;
        }
        if (*++format == '#') format++;
        if (!*format) return;
        one(o, t, *format);
    }
}

size_t strftime(char *to, size_t size, const char *format, const Tm *t) {
    Text o = {to, size, 0};
    if (!size) return 0;
    several(&o, t, format);
    if (o.full) {
        *to = 0;
        errno = ERANGE;
        return 0;
    }
    *o.at = 0;
    return (size_t)(o.at - to);
}

/* In the "C" locale every character is one of ASCII, except what the format itself holds. */
size_t wcsftime(wchar_t *to, size_t size, const wchar_t *format, const Tm *t) {
    size_t used = 0;
    for (; *format; format++) {
        char one[] = "%?", text[64];
        size_t count = 1;
        if (*format == '%') {
            if (*++format == '#') format++;
            if (!*format) break;
            one[1] = *format < 128 ? (char)*format : '?';
            count = strftime(text, sizeof text, one, t);
        }
        if (used + count >= size) {
            if (size) *to = 0;
            errno = ERANGE;
            return 0;
        }
        for (size_t i = 0; i < count; i++) to[used++] = format[0] && one[1] != '?' ? (unsigned char)text[i] : *format;
    }
    if (used < size) to[used] = 0;
    return used;
}

char *asctime(const Tm *t) {
    char *text = crt_thread()->time_text;
    strftime(text, sizeof crt_thread()->time_text, "%a %b %d %H:%M:%S %Y\n", t);
    return text;
}
char *_ctime64(const int64_t *time) {
    Tm *t = _localtime64(time);
    return t ? asctime(t) : NULL;
}
char *_ctime32(const int *time) {
    int64_t wide = *time;
    return _ctime64(&wide);
}
char *_strdate(char *to) {
    int64_t time = _time64(NULL);
    strftime(to, 9, "%m/%d/%y", _localtime64(&time));
    return to;
}
char *_strtime(char *to) {
    int64_t time = _time64(NULL);
    strftime(to, 9, "%H:%M:%S", _localtime64(&time));
    return to;
}
void _tzset(void) {}
