/* userenv.dll: where a user's files are. */
#include "nt.h"

/* `GetUserProfileDirectoryW`: by the environment, whatever the token. */
BOOL NTAPI GetUserProfileDirectoryW(HANDLE token, WCHAR *to, ULONG *size) {
    static const WCHAR name[] = u"USERPROFILE=";
    const ULONG named = sizeof name / sizeof *name - 1;
    const WCHAR *at = NtCurrentPeb()->ProcessParameters->Environment;
    (void)token;
    for (; at && *at; at++) {
        ULONG i = 0, length = 0;
        while (i < named && at[i] == name[i]) i++;
        if (i == named) {
            for (at += named; at[length]; length++) {}
            ULONG room = *size;
            *size = length + 1;
            if (!to || room <= length) {
                RtlSetLastWin32Error(122);
                return FALSE;
            }
            for (ULONG unit = 0; unit <= length; unit++) to[unit] = at[unit];
            return TRUE;
        }
        while (*at) at++;
    }
    RtlSetLastWin32Error(203);
    return FALSE;
}
