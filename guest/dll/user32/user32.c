/* user32.dll: there are no windows, no desktop and nobody at the keyboard; what needs one fails. Texts are formatted and letters
 * changed as anywhere. */
#include "nt.h"

enum { ERROR_INVALID_HANDLE = 6, ERROR_NOT_SUPPORTED = 50, ERROR_INVALID_WINDOW_HANDLE = 1400, ERROR_CLASS_DOES_NOT_EXIST = 1411 };
#define STATUS_SERVICE_NOTIFICATION ((NTSTATUS)0x50000018)
NTSYSCALLAPI NTSTATUS NTAPI NtRaiseHardError(NTSTATUS, ULONG, ULONG, const ULONG_PTR *, ULONG, ULONG *);

static ULONG_PTR UserpFail(ULONG error) {
    RtlSetLastWin32Error(error);
    return 0;
}

/* `MessageBoxW`: shown to nobody, which is said where the machine's user sees it; no button is pressed. */
int NTAPI MessageBoxExW(HANDLE window, const WCHAR *text, const WCHAR *caption, ULONG type, USHORT language) {
    UNICODE_STRING strings[2];
    ULONG response = 0;
    (void)window, (void)language;
    RtlInitUnicodeStringEx(&strings[0], text ? text : L"");
    RtlInitUnicodeStringEx(&strings[1], caption ? caption : L"Error");
    const ULONG_PTR values[] = {(ULONG_PTR)&strings[0], (ULONG_PTR)&strings[1], type};
    NtRaiseHardError(STATUS_SERVICE_NOTIFICATION, 3, 3, values, 1, &response);
    return (int)UserpFail(ERROR_NOT_SUPPORTED);
}
int NTAPI MessageBoxW(HANDLE window, const WCHAR *text, const WCHAR *caption, ULONG type) { return MessageBoxExW(window, text, caption, type, 0); }
/* A text of bytes; those beyond ASCII are taken as they are. */
static WCHAR *UserpWiden(const char *text, WCHAR *to, ULONG room) {
    ULONG i = 0;
    if (!text) return NULL;
    for (; text[i] && i < room - 1; i++) to[i] = (UCHAR)text[i];
    to[i] = 0;
    return to;
}
int NTAPI MessageBoxA(HANDLE window, const char *text, const char *caption, ULONG type) {
    WCHAR wide[1024], title[128];
    return MessageBoxW(window, UserpWiden(text, wide, 1024), UserpWiden(caption, title, 128), type);
}
int NTAPI MessageBoxExA(HANDLE window, const char *text, const char *caption, ULONG type, USHORT language) {
    (void)language;
    return MessageBoxA(window, text, caption, type);
}
BOOL NTAPI MessageBeep(ULONG type) {
    (void)type;
    return (BOOL)UserpFail(ERROR_NOT_SUPPORTED);
}

/* Texts, for both widths. */
#define T char
#define OTHER WCHAR
#define F(name) name##A
#include "user32/texts.inc"
#undef T
#undef OTHER
#undef F
#define T WCHAR
#define OTHER char
#define F(name) name##W
#include "user32/texts.inc"

/* Windows: none is found, none is made. */
#define NONE(name, parameters, error, ...) \
    ULONG_PTR NTAPI name parameters { \
        __VA_ARGS__; \
        return UserpFail(error); \
    }
NONE(FindWindowA, (const char *a, const char *b), 0, (void)a, (void)b)
NONE(FindWindowW, (const WCHAR *a, const WCHAR *b), 0, (void)a, (void)b)
NONE(FindWindowExA, (HANDLE a, HANDLE b, const char *c, const char *d), 0, (void)a, (void)b, (void)c, (void)d)
NONE(FindWindowExW, (HANDLE a, HANDLE b, const WCHAR *c, const WCHAR *d), 0, (void)a, (void)b, (void)c, (void)d)
NONE(GetForegroundWindow, (void), 0, (void)0)
NONE(GetActiveWindow, (void), 0, (void)0)
NONE(GetDesktopWindow, (void), 0, (void)0)
NONE(GetShellWindow, (void), 0, (void)0)
NONE(GetFocus, (void), 0, (void)0)
NONE(GetProcessWindowStation, (void), ERROR_NOT_SUPPORTED, (void)0)
NONE(GetThreadDesktop, (ULONG a), ERROR_NOT_SUPPORTED, (void)a)
NONE(GetUserObjectInformationA, (HANDLE a, int b, PVOID c, ULONG d, ULONG *e), ERROR_INVALID_HANDLE, (void)a, (void)b, (void)c, (void)d, (void)e)
NONE(GetUserObjectInformationW, (HANDLE a, int b, PVOID c, ULONG d, ULONG *e), ERROR_INVALID_HANDLE, (void)a, (void)b, (void)c, (void)d, (void)e)
NONE(IsWindow, (HANDLE a), ERROR_INVALID_WINDOW_HANDLE, (void)a)
NONE(IsWindowVisible, (HANDLE a), ERROR_INVALID_WINDOW_HANDLE, (void)a)
NONE(ShowWindow, (HANDLE a, int b), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b)
NONE(UpdateWindow, (HANDLE a), ERROR_INVALID_WINDOW_HANDLE, (void)a)
NONE(DestroyWindow, (HANDLE a), ERROR_INVALID_WINDOW_HANDLE, (void)a)
NONE(SetForegroundWindow, (HANDLE a), ERROR_INVALID_WINDOW_HANDLE, (void)a)
NONE(GetWindowThreadProcessId, (HANDLE a, ULONG *b), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b)
NONE(GetWindowTextA, (HANDLE a, char *b, int c), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c)
NONE(GetWindowTextW, (HANDLE a, WCHAR *b, int c), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c)
NONE(GetClassNameA, (HANDLE a, char *b, int c), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c)
NONE(GetClassNameW, (HANDLE a, WCHAR *b, int c), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c)
NONE(SendMessageA, (HANDLE a, ULONG b, ULONG_PTR c, ULONG_PTR d), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c, (void)d)
NONE(SendMessageW, (HANDLE a, ULONG b, ULONG_PTR c, ULONG_PTR d), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c, (void)d)
NONE(PostMessageA, (HANDLE a, ULONG b, ULONG_PTR c, ULONG_PTR d), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c, (void)d)
NONE(PostMessageW, (HANDLE a, ULONG b, ULONG_PTR c, ULONG_PTR d), ERROR_INVALID_WINDOW_HANDLE, (void)a, (void)b, (void)c, (void)d)
NONE(PostThreadMessageA, (ULONG a, ULONG b, ULONG_PTR c, ULONG_PTR d), ERROR_NOT_SUPPORTED, (void)a, (void)b, (void)c, (void)d)
NONE(PostThreadMessageW, (ULONG a, ULONG b, ULONG_PTR c, ULONG_PTR d), ERROR_NOT_SUPPORTED, (void)a, (void)b, (void)c, (void)d)
NONE(RegisterClassA, (const void *a), ERROR_NOT_SUPPORTED, (void)a)
NONE(RegisterClassW, (const void *a), ERROR_NOT_SUPPORTED, (void)a)
NONE(RegisterClassExA, (const void *a), ERROR_NOT_SUPPORTED, (void)a)
NONE(RegisterClassExW, (const void *a), ERROR_NOT_SUPPORTED, (void)a)
NONE(UnregisterClassA, (const char *a, HANDLE b), ERROR_CLASS_DOES_NOT_EXIST, (void)a, (void)b)
NONE(UnregisterClassW, (const WCHAR *a, HANDLE b), ERROR_CLASS_DOES_NOT_EXIST, (void)a, (void)b)
NONE(LoadIconA, (HANDLE a, const char *b), ERROR_NOT_SUPPORTED, (void)a, (void)b)
NONE(LoadIconW, (HANDLE a, const WCHAR *b), ERROR_NOT_SUPPORTED, (void)a, (void)b)
NONE(LoadCursorA, (HANDLE a, const char *b), ERROR_NOT_SUPPORTED, (void)a, (void)b)
NONE(LoadCursorW, (HANDLE a, const WCHAR *b), ERROR_NOT_SUPPORTED, (void)a, (void)b)
NONE(GetDC, (HANDLE a), ERROR_NOT_SUPPORTED, (void)a)
NONE(ReleaseDC, (HANDLE a, HANDLE b), 0, (void)a, (void)b)
NONE(GetCursorPos, (PVOID a), ERROR_NOT_SUPPORTED, (void)a)
NONE(SetCursorPos, (int a, int b), ERROR_NOT_SUPPORTED, (void)a, (void)b)
NONE(GetLastInputInfo, (PVOID a), ERROR_NOT_SUPPORTED, (void)a)
NONE(GetKeyState, (int a), 0, (void)a)
NONE(GetAsyncKeyState, (int a), 0, (void)a)
NONE(GetSystemMetrics, (int a), 0, (void)a)
NONE(GetKeyboardLayout, (ULONG a), 0, (void)a)
NONE(OpenClipboard, (HANDLE a), ERROR_NOT_SUPPORTED, (void)a)
NONE(CloseClipboard, (void), ERROR_NOT_SUPPORTED, (void)0)
NONE(EmptyClipboard, (void), ERROR_NOT_SUPPORTED, (void)0)
NONE(GetClipboardData, (ULONG a), ERROR_NOT_SUPPORTED, (void)a)
NONE(SetClipboardData, (ULONG a, HANDLE b), ERROR_NOT_SUPPORTED, (void)a, (void)b)
NONE(SetWindowsHookExA, (int a, PVOID b, HANDLE c, ULONG d), ERROR_NOT_SUPPORTED, (void)a, (void)b, (void)c, (void)d)
NONE(SetWindowsHookExW, (int a, PVOID b, HANDLE c, ULONG d), ERROR_NOT_SUPPORTED, (void)a, (void)b, (void)c, (void)d)
NONE(UnhookWindowsHookEx, (HANDLE a), ERROR_INVALID_HANDLE, (void)a)
NONE(CallNextHookEx, (HANDLE a, int b, ULONG_PTR c, ULONG_PTR d), 0, (void)a, (void)b, (void)c, (void)d)
NONE(PeekMessageA, (PVOID a, HANDLE b, ULONG c, ULONG d, ULONG e), 0, (void)a, (void)b, (void)c, (void)d, (void)e)
NONE(PeekMessageW, (PVOID a, HANDLE b, ULONG c, ULONG d, ULONG e), 0, (void)a, (void)b, (void)c, (void)d, (void)e)
NONE(TranslateMessage, (const void *a), 0, (void)a)
NONE(DispatchMessageA, (const void *a), 0, (void)a)
NONE(DispatchMessageW, (const void *a), 0, (void)a)
NONE(ExitWindowsEx, (ULONG a, ULONG b), ERROR_NOT_SUPPORTED, (void)a, (void)b)
NONE(SystemParametersInfoA, (ULONG a, ULONG b, PVOID c, ULONG d), ERROR_NOT_SUPPORTED, (void)a, (void)b, (void)c, (void)d)
NONE(SystemParametersInfoW, (ULONG a, ULONG b, PVOID c, ULONG d), ERROR_NOT_SUPPORTED, (void)a, (void)b, (void)c, (void)d)
NONE(EnumDisplayMonitors, (HANDLE a, const void *b, PVOID c, ULONG_PTR d), ERROR_NOT_SUPPORTED, (void)a, (void)b, (void)c, (void)d)
HANDLE NTAPI CreateWindowExA(ULONG a, const char *b, const char *c, ULONG d, int e, int f, int g, int h, HANDLE i, HANDLE j, HANDLE k, PVOID l) {
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h, (void)i, (void)j, (void)k, (void)l;
    return (HANDLE)UserpFail(ERROR_NOT_SUPPORTED);
}
HANDLE NTAPI CreateWindowExW(ULONG a, const WCHAR *b, const WCHAR *c, ULONG d, int e, int f, int g, int h, HANDLE i, HANDLE j, HANDLE k, PVOID l) {
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h, (void)i, (void)j, (void)k, (void)l;
    return (HANDLE)UserpFail(ERROR_NOT_SUPPORTED);
}
/* -1: there is no queue to get a message from. */
int NTAPI GetMessageA(PVOID a, HANDLE b, ULONG c, ULONG d) {
    (void)a, (void)b, (void)c, (void)d;
    UserpFail(ERROR_NOT_SUPPORTED);
    return -1;
}
int NTAPI GetMessageW(PVOID a, HANDLE b, ULONG c, ULONG d) { return GetMessageA(a, b, c, d); }
void NTAPI PostQuitMessage(int code) { (void)code; }
LONG NTAPI DefWindowProcA(HANDLE a, ULONG b, ULONG_PTR c, ULONG_PTR d) {
    (void)a, (void)b, (void)c, (void)d;
    return 0;
}
LONG NTAPI DefWindowProcW(HANDLE a, ULONG b, ULONG_PTR c, ULONG_PTR d) { return DefWindowProcA(a, b, c, d); }
/* Of none there is nothing to list. */
BOOL NTAPI EnumWindows(PVOID routine, ULONG_PTR context) {
    (void)routine, (void)context;
    return TRUE;
}
BOOL NTAPI SetProcessDPIAware(void) { return TRUE; }
