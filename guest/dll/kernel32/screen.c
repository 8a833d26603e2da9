/* The console as a screen: output is a stream of text. It has the size of a new window, and what would change or read what it
 * shows is refused as where output goes to a file. */
#include "files.h"

#define REFUSED(function, parameters, ...) \
    BOOL NTAPI function parameters { \
        (void)console, __VA_ARGS__; \
        return BasepFail(ERROR_INVALID_HANDLE); \
    }
REFUSED(SetConsoleCursorInfo, (HANDLE console, const void *info), (void)info)
REFUSED(SetConsoleCursorPosition, (HANDLE console, ULONG at), (void)at)
REFUSED(SetConsoleTextAttribute, (HANDLE console, USHORT attributes), (void)attributes)
REFUSED(SetConsoleScreenBufferSize, (HANDLE console, ULONG size), (void)size)
REFUSED(SetConsoleWindowInfo, (HANDLE console, BOOL absolute, const void *window), (void)absolute, (void)window)
REFUSED(FillConsoleOutputCharacterA, (HANDLE console, char c, ULONG count, ULONG at, ULONG *done), (void)c, (void)count, (void)at, (void)done)
REFUSED(FillConsoleOutputCharacterW, (HANDLE console, WCHAR c, ULONG count, ULONG at, ULONG *done), (void)c, (void)count, (void)at, (void)done)
REFUSED(FillConsoleOutputAttribute, (HANDLE console, USHORT c, ULONG count, ULONG at, ULONG *done), (void)c, (void)count, (void)at, (void)done)
REFUSED(ReadConsoleInputA, (HANDLE console, PVOID to, ULONG count, ULONG *done), (void)to, (void)count, (void)done)
REFUSED(ReadConsoleInputW, (HANDLE console, PVOID to, ULONG count, ULONG *done), (void)to, (void)count, (void)done)
REFUSED(PeekConsoleInputA, (HANDLE console, PVOID to, ULONG count, ULONG *done), (void)to, (void)count, (void)done)
REFUSED(PeekConsoleInputW, (HANDLE console, PVOID to, ULONG count, ULONG *done), (void)to, (void)count, (void)done)
REFUSED(WriteConsoleInputA, (HANDLE console, const void *from, ULONG count, ULONG *done), (void)from, (void)count, (void)done)
REFUSED(WriteConsoleInputW, (HANDLE console, const void *from, ULONG count, ULONG *done), (void)from, (void)count, (void)done)
REFUSED(FlushConsoleInputBuffer, (HANDLE console), (void)0)

#define COLUMNS 120
#define ROWS 30
#define LINES 9001
typedef struct { SHORT X, Y; } COORD;
typedef struct { SHORT Left, Top, Right, Bottom; } SMALL_RECT;
typedef struct { COORD dwSize, dwCursorPosition; USHORT wAttributes; SMALL_RECT srWindow; COORD dwMaximumWindowSize; } SCREEN_BUFFER_INFO;
typedef struct {
    ULONG cbSize;
    SCREEN_BUFFER_INFO Info;
    USHORT wPopupAttributes;
    BOOL bFullscreenSupported;
    ULONG ColorTable[16];
} SCREEN_BUFFER_INFO_EX;
static const SCREEN_BUFFER_INFO BasepScreen = {{COLUMNS, LINES}, {0, 0}, 7, {0, 0, COLUMNS - 1, ROWS - 1}, {COLUMNS, ROWS}};

/* `GetConsoleScreenBufferInfo`: of output; nobody follows the cursor. */
BOOL NTAPI GetConsoleScreenBufferInfo(HANDLE console, SCREEN_BUFFER_INFO *info) {
    if (!BasepIsConsoleSide(console, FALSE)) return FALSE;
    *info = BasepScreen;
    return TRUE;
}
BOOL NTAPI GetConsoleScreenBufferInfoEx(HANDLE console, SCREEN_BUFFER_INFO_EX *info) {
    static const ULONG colors[16] = {0x0c0c0c, 0xda3700, 0x0ea113, 0xdd963a, 0x1f0fc5, 0x981788, 0x009cc1, 0xcccccc,
                                     0x767676, 0xff783b, 0x0cc616, 0xd6d661, 0x5648e7, 0x9e00b4, 0xa5f1f9, 0xf2f2f2};
    if (info->cbSize != sizeof *info) return BasepFail(ERROR_INVALID_PARAMETER);
    if (!BasepIsConsoleSide(console, FALSE)) return FALSE;
    *info = (SCREEN_BUFFER_INFO_EX){.cbSize = sizeof *info, .Info = BasepScreen, .wPopupAttributes = 0xf5};
    memmove(info->ColorTable, colors, sizeof colors);
    return TRUE;
}
/* `GetConsoleCursorInfo`: as a new window shows it. */
BOOL NTAPI GetConsoleCursorInfo(HANDLE console, ULONG *info) {
    if (!BasepIsConsoleSide(console, FALSE)) return FALSE;
    info[0] = 25, info[1] = TRUE;
    return TRUE;
}
/* `GetNumberOfConsoleInputEvents`: of input; no keys are pressed, lines come as they are. */
BOOL NTAPI GetNumberOfConsoleInputEvents(HANDLE console, ULONG *count) {
    if (!BasepIsConsoleSide(console, TRUE)) return FALSE;
    *count = 0;
    return TRUE;
}

/* No window, and no title. `AllocConsole`: one is there already. */
HANDLE NTAPI GetConsoleWindow(void) { return NULL; }
ULONG NTAPI GetConsoleTitleA(char *to, ULONG room) { return to && room ? (*to = 0, 0u) : 0; }
ULONG NTAPI GetConsoleTitleW(WCHAR *to, ULONG room) { return to && room ? (*to = 0, 0u) : 0; }
BOOL NTAPI SetConsoleTitleA(const char *title) {
    (void)title;
    return BasepFail(ERROR_NOT_SUPPORTED);
}
BOOL NTAPI SetConsoleTitleW(const WCHAR *title) {
    (void)title;
    return BasepFail(ERROR_NOT_SUPPORTED);
}
BOOL NTAPI AllocConsole(void) { return BasepFail(ERROR_ACCESS_DENIED); }
BOOL NTAPI AttachConsole(ULONG process) {
    (void)process;
    return BasepFail(ERROR_ACCESS_DENIED);
}
BOOL NTAPI FreeConsole(void) { return BasepFail(ERROR_NOT_SUPPORTED); }
ULONG NTAPI GetConsoleProcessList(ULONG *list, ULONG room) {
    if (room) *list = (ULONG)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueProcess;
    return 1;
}
/* `GenerateConsoleCtrlEvent`: nobody's handlers are called here. */
BOOL NTAPI GenerateConsoleCtrlEvent(ULONG event, ULONG group) {
    (void)event, (void)group;
    return BasepFail(ERROR_NOT_SUPPORTED);
}
/* The console speaks UTF-8. */
static BOOL BasepSetPage(ULONG page) { return page == 65001 ? TRUE : BasepFail(ERROR_INVALID_PARAMETER); }
BOOL NTAPI SetConsoleCP(ULONG page) { return BasepSetPage(page); }
BOOL NTAPI SetConsoleOutputCP(ULONG page) { return BasepSetPage(page); }
