/* Times and dates. The time zone is UTC. */
#include "files.h"

typedef struct { SHORT Year, Month, Day, Hour, Minute, Second, Milliseconds, Weekday; } TIME_FIELDS;
typedef struct {
    LONG Bias;
    WCHAR StandardName[32];
    SYSTEMTIME StandardDate;
    LONG StandardBias;
    WCHAR DaylightName[32];
    SYSTEMTIME DaylightDate;
    LONG DaylightBias;
} TIME_ZONE_INFORMATION;
NTSYSAPI void NTAPI RtlTimeToTimeFields(const LONGLONG *, TIME_FIELDS *);
NTSYSAPI BOOLEAN NTAPI RtlTimeFieldsToTime(const TIME_FIELDS *, LONGLONG *);
void NTAPI GetSystemTimeAsFileTime(ULONG *);

/* `FileTimeToSystemTime`. */
BOOL NTAPI FileTimeToSystemTime(const FILETIME *time, SYSTEMTIME *to) {
    LONGLONG value = (LONGLONG)((ULONGLONG)time->dwHighDateTime << 32 | time->dwLowDateTime);
    TIME_FIELDS f;
    if (value < 0) return BasepFail(ERROR_INVALID_PARAMETER);
    RtlTimeToTimeFields(&value, &f);
    *to = (SYSTEMTIME){(USHORT)f.Year, (USHORT)f.Month, (USHORT)f.Weekday, (USHORT)f.Day, (USHORT)f.Hour, (USHORT)f.Minute, (USHORT)f.Second, (USHORT)f.Milliseconds};
    return TRUE;
}

/* `SystemTimeToFileTime`. */
BOOL NTAPI SystemTimeToFileTime(const SYSTEMTIME *from, FILETIME *to) {
    TIME_FIELDS f = {(SHORT)from->wYear, (SHORT)from->wMonth, (SHORT)from->wDay, (SHORT)from->wHour, (SHORT)from->wMinute, (SHORT)from->wSecond, (SHORT)from->wMilliseconds, 0};
    LONGLONG time;
    if (!RtlTimeFieldsToTime(&f, &time)) return BasepFail(ERROR_INVALID_PARAMETER);
    *to = BasepFileTime(time);
    return TRUE;
}

/* `GetSystemTime`, `GetLocalTime`. */
void NTAPI GetSystemTime(SYSTEMTIME *to) {
    ULONG now[2];
    GetSystemTimeAsFileTime(now);
    FileTimeToSystemTime((FILETIME *)now, to);
}
void NTAPI GetLocalTime(SYSTEMTIME *to) { GetSystemTime(to); }

/* `GetSystemTimePreciseAsFileTime`. */
void NTAPI GetSystemTimePreciseAsFileTime(LONGLONG *time) {
    LONGLONG now;
    NtQuerySystemTime(&now);
    memmove(time, &now, sizeof now);
}

/* `FileTimeToLocalFileTime`, `LocalFileTimeToFileTime`. */
BOOL NTAPI FileTimeToLocalFileTime(const FILETIME *time, FILETIME *to) { return *to = *time, TRUE; }
BOOL NTAPI LocalFileTimeToFileTime(const FILETIME *time, FILETIME *to) { return *to = *time, TRUE; }
BOOL NTAPI SystemTimeToTzSpecificLocalTime(const TIME_ZONE_INFORMATION *zone, const SYSTEMTIME *time, SYSTEMTIME *to) {
    if (zone && zone->Bias) return BasepFail(ERROR_NOT_SUPPORTED);
    return *to = *time, TRUE;
}
BOOL NTAPI TzSpecificLocalTimeToSystemTime(const TIME_ZONE_INFORMATION *zone, const SYSTEMTIME *time, SYSTEMTIME *to) {
    return SystemTimeToTzSpecificLocalTime(zone, time, to);
}

/* `GetTimeZoneInformation`: TIME_ZONE_ID_UNKNOWN, as where no daylight saving time is. */
ULONG NTAPI GetTimeZoneInformation(TIME_ZONE_INFORMATION *zone) {
    *zone = (TIME_ZONE_INFORMATION){.StandardName = L"Coordinated Universal Time", .DaylightName = L"Coordinated Universal Time"};
    return 0;
}
typedef struct { TIME_ZONE_INFORMATION Zone; WCHAR Key[128]; BOOLEAN DynamicDaylightTimeDisabled; } DYNAMIC_ZONE;
ULONG NTAPI GetDynamicTimeZoneInformation(DYNAMIC_ZONE *zone) {
    static const WCHAR key[] = L"UTC";
    GetTimeZoneInformation(&zone->Zone);
    memmove(zone->Key, key, sizeof key);
    zone->DynamicDaylightTimeDisabled = FALSE;
    return 0;
}

/* `FileTimeToDosDateTime`. */
BOOL NTAPI FileTimeToDosDateTime(const FILETIME *time, USHORT *date, USHORT *clock) {
    SYSTEMTIME t;
    if (!FileTimeToSystemTime(time, &t) || t.wYear < 1980 || t.wYear > 2107) return BasepFail(ERROR_INVALID_PARAMETER);
    *date = (USHORT)((t.wYear - 1980) << 9 | t.wMonth << 5 | t.wDay);
    *clock = (USHORT)(t.wHour << 11 | t.wMinute << 5 | t.wSecond / 2);
    return TRUE;
}
BOOL NTAPI DosDateTimeToFileTime(USHORT date, USHORT clock, FILETIME *to) {
    SYSTEMTIME t = {(USHORT)(1980 + (date >> 9)), date >> 5 & 15, 0, date & 31, (USHORT)(clock >> 11), clock >> 5 & 63, (USHORT)((clock & 31) * 2), 0};
    return SystemTimeToFileTime(&t, to);
}
/* `GetTimeZoneInformationForYear`: every year's is the same. */
BOOL NTAPI GetTimeZoneInformationForYear(USHORT year, const DYNAMIC_ZONE *zone, TIME_ZONE_INFORMATION *to) {
    (void)year;
    if (zone && zone->Zone.Bias) return BasepFail(ERROR_NOT_SUPPORTED);
    GetTimeZoneInformation(to);
    return TRUE;
}
