/* Times as dates: the calendar from 1601 on. */
#include "ntdll.h"

typedef struct { SHORT Year, Month, Day, Hour, Minute, Second, Milliseconds, Weekday; } TIME_FIELDS;
#define RTLP_SECOND 10000000u
#define RTLP_DAY 86400u
/* Seconds from 1601 to 1970. */
#define RTLP_1970 11644473600ull

/* A quotient, which 32-bit code has no instruction for; its rest. */
static ULONGLONG RtlpDivideTime(ULONGLONG n, ULONG by, ULONG *rest) {
    ULONG high = (ULONG)(n >> 32), low = (ULONG)n, q1 = high / by, r = high % by, q0;
    __asm__("divl %4" : "=a"(q0), "=d"(r) : "0"(low), "1"(r), "rm"(by));
    *rest = r;
    return (ULONGLONG)q1 << 32 | q0;
}

static ULONG RtlpIsLeap(ULONG year) { return (ULONG)(year % 4 == 0 && (year % 100 || year % 400 == 0)); }
static const UCHAR RtlpDays[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
static ULONG RtlpMonth(ULONG month, ULONG year) { return RtlpDays[month] + (month == 1 ? RtlpIsLeap(year) : 0u); }

/* `RtlTimeToTimeFields`. */
EXPORT void NTAPI RtlTimeToTimeFields(const LONGLONG *time, TIME_FIELDS *fields) {
    ULONG fraction, second, day, year = 1601, month = 0;
    ULONGLONG seconds = RtlpDivideTime((ULONGLONG)*time, RTLP_SECOND, &fraction);
    day = (ULONG)RtlpDivideTime(seconds, RTLP_DAY, &second);
    fields->Weekday = (SHORT)((day + 1) % 7);
    /* Four hundred years are 146097 days. */
    year += day / 146097 * 400;
    day %= 146097;
    while (day >= 365 + RtlpIsLeap(year)) day -= 365 + RtlpIsLeap(year++);
    while (day >= RtlpMonth(month, year)) {
        day -= RtlpMonth(month, year);
        month++;
    }
    *fields = (TIME_FIELDS){(SHORT)year, (SHORT)(month + 1), (SHORT)(day + 1), (SHORT)(second / 3600), (SHORT)(second / 60 % 60),
                            (SHORT)(second % 60), (SHORT)(fraction / 10000), fields->Weekday};
}

/* `RtlTimeFieldsToTime`: FALSE for what is no date. */
EXPORT BOOLEAN NTAPI RtlTimeFieldsToTime(const TIME_FIELDS *fields, LONGLONG *time) {
    ULONG year = (ULONG)fields->Year, month = (ULONG)fields->Month;
    if (fields->Year < 1601 || fields->Month < 1 || fields->Month > 12 || fields->Day < 1) return FALSE;
    if ((ULONG)fields->Day > RtlpMonth(month - 1, year)) return FALSE;
    if ((USHORT)fields->Hour > 23 || (USHORT)fields->Minute > 59 || (USHORT)fields->Second > 59 || (USHORT)fields->Milliseconds > 999)
        return FALSE;
    ULONG years = year - 1601, day = years * 365 + years / 4 - years / 100 + years / 400;
    for (ULONG i = 0; i + 1 < month; i++) day += RtlpMonth(i, year);
    day += (ULONG)fields->Day - 1;
    ULONGLONG seconds = (ULONGLONG)day * RTLP_DAY + (ULONG)fields->Hour * 3600u + (ULONG)fields->Minute * 60u + (ULONG)fields->Second;
    *time = (LONGLONG)(seconds * RTLP_SECOND + (ULONG)fields->Milliseconds * 10000u);
    return TRUE;
}

/* `RtlTimeToSecondsSince1970`: FALSE for times that 32 bits cannot tell. */
EXPORT BOOLEAN NTAPI RtlTimeToSecondsSince1970(const LONGLONG *time, ULONG *seconds) {
    ULONG rest;
    ULONGLONG since = RtlpDivideTime((ULONGLONG)*time, RTLP_SECOND, &rest) - RTLP_1970;
    if (since >> 32) return FALSE;
    *seconds = (ULONG)since;
    return TRUE;
}

/* `RtlSecondsSince1970ToTime`. */
EXPORT void NTAPI RtlSecondsSince1970ToTime(ULONG seconds, LONGLONG *time) { *time = (LONGLONG)((seconds + RTLP_1970) * RTLP_SECOND); }
