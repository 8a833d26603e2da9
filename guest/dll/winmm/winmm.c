/* winmm.dll: the multimedia timer. There are no sounds, no joysticks and no MIDI here. */
#include "nt.h"

enum { TIMERR_NOERROR = 0, TIMERR_NOCANDO = 97, MMSYSERR_NODRIVER = 6, MMSYSERR_INVALPARAM = 11, MCIERR_DEVICE_NOT_INSTALLED = 306 };
/* Milliseconds: the finest and the coarsest period. */
#define SHORTEST 1
#define LONGEST 1000000
typedef struct { ULONG wPeriodMin, wPeriodMax; } TIMECAPS;
/* NT 3.5 brought it. */
typedef NTSTATUS NTAPI SET_RESOLUTION(ULONG, BOOLEAN, ULONG *);

/* The clock ticks as finely as asked for, until as many have taken that back. */
static ULONG WinmmSetPeriod(ULONG period, BOOLEAN set) {
    ULONG now;
    if (period < SHORTEST || period > LONGEST) return TIMERR_NOCANDO;
    SET_RESOLUTION *resolution = NtpService("NtSetTimerResolution");
    if (resolution) resolution(period > 100 ? 1000000 : period * 10000, set, &now);
    return TIMERR_NOERROR;
}

/* `timeBeginPeriod`, `timeEndPeriod`. */
ULONG NTAPI timeBeginPeriod(ULONG period) { return WinmmSetPeriod(period, TRUE); }
ULONG NTAPI timeEndPeriod(ULONG period) { return WinmmSetPeriod(period, FALSE); }

/* `timeGetTime`: milliseconds since the start. */
ULONG NTAPI timeGetTime(void) {
    /* The multiplier is a fraction of 2 to the 24th. */
    ULONGLONG ticks = SharedUserData->TickCount.LowPart;
    return (ULONG)(ticks * SharedUserData->TickCountMultiplier >> 24);
}

/* `timeGetDevCaps`. */
ULONG NTAPI timeGetDevCaps(TIMECAPS *caps, ULONG size) {
    if (!caps || size < sizeof *caps) return TIMERR_NOCANDO;
    *caps = (TIMECAPS){SHORTEST, LONGEST};
    return TIMERR_NOERROR;
}

/* `timeSetEvent`: no event, which is how it says that it failed; `timeKillEvent`: there is none. */
ULONG NTAPI timeSetEvent(ULONG delay, ULONG resolution, PVOID routine, ULONG_PTR context, ULONG flags) {
    (void)delay, (void)resolution, (void)routine, (void)context, (void)flags;
    return 0;
}
ULONG NTAPI timeKillEvent(ULONG event) {
    (void)event;
    return MMSYSERR_INVALPARAM;
}

/* Devices: none. */
ULONG NTAPI waveOutGetNumDevs(void) { return 0; }
ULONG NTAPI waveInGetNumDevs(void) { return 0; }
ULONG NTAPI midiOutGetNumDevs(void) { return 0; }
ULONG NTAPI midiInGetNumDevs(void) { return 0; }
ULONG NTAPI mixerGetNumDevs(void) { return 0; }
ULONG NTAPI auxGetNumDevs(void) { return 0; }
ULONG NTAPI joyGetNumDevs(void) { return 0; }
ULONG NTAPI joyGetPosEx(ULONG device, PVOID info) {
    (void)device, (void)info;
    return MMSYSERR_NODRIVER;
}
BOOL NTAPI PlaySoundA(const char *name, HANDLE module, ULONG flags) {
    (void)name, (void)module, (void)flags;
    return FALSE;
}
BOOL NTAPI PlaySoundW(const WCHAR *name, HANDLE module, ULONG flags) {
    (void)name, (void)module, (void)flags;
    return FALSE;
}
ULONG NTAPI mciSendStringA(const char *command, char *to, ULONG room, HANDLE window) {
    (void)command, (void)window;
    if (to && room) *to = 0;
    return MCIERR_DEVICE_NOT_INSTALLED;
}
ULONG NTAPI mciSendStringW(const WCHAR *command, WCHAR *to, ULONG room, HANDLE window) {
    (void)command, (void)window;
    if (to && room) *to = 0;
    return MCIERR_DEVICE_NOT_INSTALLED;
}
