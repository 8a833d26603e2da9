/* The console as a screen: there is none, output is a stream of text; what needs one is refused as where output goes to a file. */
#include "files.h"

#define REFUSED(function, parameters, ...) \
    BOOL NTAPI function parameters { \
        (void)console, __VA_ARGS__; \
        return BasepFail(ERROR_INVALID_HANDLE); \
    }
REFUSED(GetConsoleScreenBufferInfo, (HANDLE console, PVOID info), (void)info)
REFUSED(GetConsoleScreenBufferInfoEx, (HANDLE console, PVOID info), (void)info)
REFUSED(GetConsoleCursorInfo, (HANDLE console, PVOID info), (void)info)
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
REFUSED(GetNumberOfConsoleInputEvents, (HANDLE console, ULONG *count), (void)count)
REFUSED(FlushConsoleInputBuffer, (HANDLE console), (void)0)

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
