/* What the files of msvcrt.dll share: the layouts that programs see, and each other's functions.
 *
 * The DLL stands alone: it includes no C library header of the toolchain, and links with no library but the
 * import libraries of ntdll.dll and kernel32.dll.
 */
#ifndef TRAPGATE_CRT_H
#define TRAPGATE_CRT_H

/* The compiler's own names: the toolchain's headers would bring its C library's declarations along. */
typedef __builtin_va_list va_list;
#define va_start __builtin_va_start
#define va_arg __builtin_va_arg
#define va_copy __builtin_va_copy
#define va_end __builtin_va_end
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __SIZE_TYPE__ size_t;
typedef __WCHAR_TYPE__ wchar_t;
#define NULL ((void *)0)
#define INT_MAX __INT_MAX__
#define LONG_MAX __LONG_MAX__
#define ULONG_MAX (2ul * LONG_MAX + 1)
#define INT64_MAX __INT64_MAX__
#define UINT64_MAX __UINT64_MAX__
#define SIZE_MAX __SIZE_MAX__

typedef void *HANDLE;
typedef int NTSTATUS;
typedef struct { union { NTSTATUS status; void *pointer; }; uintptr_t information; } IoStatus;
typedef struct { uint16_t length, maximum; wchar_t *text; } UnicodeString;

/* ntdll and kernel32 */
#include "../teb.h"
#define API __declspec(dllimport) STDCALL
API NTSTATUS NtReadFile(HANDLE, HANDLE, void *, void *, IoStatus *, void *, unsigned, int64_t *, unsigned *);
API NTSTATUS NtWriteFile(HANDLE, HANDLE, void *, void *, IoStatus *, const void *, unsigned, int64_t *, unsigned *);
API NTSTATUS NtClose(HANDLE);
API NTSTATUS NtQuerySystemTime(int64_t *);
API NTSTATUS NtYieldExecution(void);
API NTSTATUS NtDelayExecution(unsigned char, const int64_t *);
API NTSTATUS NtTerminateProcess(HANDLE, NTSTATUS);
API void RtlExitUserProcess(NTSTATUS);
API void *RtlAllocateHeap(HANDLE, unsigned, size_t);
API void *RtlReAllocateHeap(HANDLE, unsigned, void *, size_t);
API unsigned char RtlFreeHeap(HANDLE, unsigned, void *);
API size_t RtlSizeHeap(HANDLE, unsigned, void *);
API int UnhandledExceptionFilter(void *);
API void RtlUnwind(void *frame, void *target, void *record, void *value);
API unsigned TlsAlloc(void);
API void *TlsGetValue(unsigned);
API int TlsSetValue(unsigned, void *);
API unsigned RtlNtStatusToDosError(NTSTATUS);
API unsigned GetLastError(void);
API HANDLE CreateFileW(const wchar_t *, unsigned, unsigned, void *, unsigned, unsigned, HANDLE);
API int CreatePipe(HANDLE *, HANDLE *, void *, unsigned);
API int DuplicateHandle(HANDLE, HANDLE, HANDLE, HANDLE *, unsigned, int, unsigned);
API int SetFilePointerEx(HANDLE, int64_t, int64_t *, unsigned);
API int GetFileSizeEx(HANDLE, int64_t *);
API int SetEndOfFile(HANDLE);
API int FlushFileBuffers(HANDLE);
API unsigned GetFileType(HANDLE);
API int GetFileInformationByHandle(HANDLE, void *);
API unsigned GetFileAttributesW(const wchar_t *);
API int GetFileAttributesExW(const wchar_t *, unsigned, void *);
API int SetFileAttributesW(const wchar_t *, unsigned);
API int DeleteFileW(const wchar_t *);
API int MoveFileExW(const wchar_t *, const wchar_t *, unsigned);
API int CreateDirectoryW(const wchar_t *, void *);
API int RemoveDirectoryW(const wchar_t *);
API int SetCurrentDirectoryW(const wchar_t *);
API unsigned GetCurrentDirectoryW(unsigned, wchar_t *);
API unsigned GetCurrentDirectoryA(unsigned, char *);
API unsigned GetFullPathNameA(const char *, unsigned, char *, char **);
API unsigned GetTempFileNameW(const wchar_t *, const wchar_t *, unsigned, wchar_t *);
API unsigned GetTempPathW(unsigned, wchar_t *);
API int MultiByteToWideChar(unsigned, unsigned, const char *, int, wchar_t *, int);

#define STATUS_INVALID_HANDLE ((NTSTATUS)0xc0000008)
#define STATUS_END_OF_FILE ((NTSTATUS)0xc0000011)
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xc0000022)
#define STATUS_PIPE_BROKEN ((NTSTATUS)0xc000014b)


/* errno values */
enum {
    EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, EBADF = 9, ECHILD = 10, EAGAIN = 11, ENOMEM = 12, EACCES = 13,
    EEXIST = 17, EXDEV = 18, EINVAL = 22, EMFILE = 24, ENOSPC = 28, ESPIPE = 29, EPIPE = 32, EDOM = 33, ERANGE = 34,
    ENOTEMPTY = 41, EILSEQ = 42,
};
/* How files are opened */
enum {
    O_APPEND = 8, O_TEMPORARY = 0x40, O_NOINHERIT = 0x80, O_CREAT = 0x100, O_TRUNC = 0x200, O_EXCL = 0x400, O_TEXT = 0x4000,
    O_BINARY = 0x8000,
};

/* What each thread has of its own. */
typedef struct {
    int number, dos_number;
    unsigned seed;
    char *token;
    wchar_t *wide_token;
    char message[64];
    char time_text[32];
    int broken_time[9];
} Thread;
Thread *crt_thread(void);
void crt_thread_end(void);
void crt_thread_begin(void);
int *_errno(void);
#define errno (*_errno())

/* `struct _iobuf` of msvcrt.dll, that macros in programs reach into. */
typedef struct _iobuf {
    char *_ptr;
    int _cnt;
    char *_base;
    int _flag;
    int _file;
    int _charbuf;
    int _bufsiz;
    char *_tmpfname;
} FILE;
_Static_assert(sizeof(FILE) == AT(48, 32), "FILE");
#define EOF (-1)
enum {
    _IOREAD = 1, _IOWRT = 2, _IONBF = 4, _IOMYBUF = 8, _IOEOF = 0x10, _IOERR = 0x20, _IOLBF = 0x40, _IORW = 0x80,
    _IOYOURBUF = 0x100,
    /* Ours: the program asked for full buffering; the buffer holds a line's end. */
    IO_FULL = 0x4000, IO_LINE = 0x8000,
};
#define STREAMS 20
extern FILE _iob[STREAMS];
#define stdin (&_iob[0])
#define stdout (&_iob[1])
#define stderr (&_iob[2])

/* low.c */
void crt_low_begin(void);
int _read(int, void *, unsigned);
int _write(int, const void *, unsigned);
int _close(int);
int crt_fd_open(int);
int crt_is_text(int);
int crt_open(const wchar_t *, int, int);
int crt_failed(void);
wchar_t *crt_wide(const char *);
int _isatty(int);
intptr_t _get_osfhandle(int);
int64_t _lseeki64(int, int64_t, int);
/* open.c */
FILE *crt_stream(int);
void crt_note_fill(FILE *);
/* stream.c */
int crt_drop(FILE *);
void crt_put(FILE *, const char *, size_t);
void crt_settle(FILE *);
int fflush(FILE *);
int fgetc(FILE *);
int ungetc(int, FILE *);
int fputc(int, FILE *);
int fputs(const char *, FILE *);
int _filbuf(FILE *);
void crt_flush_all(void);
/* start.c */
extern char **_environ;
extern wchar_t **_wenviron;
void exit(int) __attribute__((noreturn));
void _exit(int) __attribute__((noreturn));
int raise(int);
/* arguments.c */
void crt_environment_begin(void);
char *crt_narrow(const wchar_t *, size_t);
char *_strdup(const char *);
wchar_t *_wcsdup(const wchar_t *);
/* heap.c */
void *malloc(size_t);
void *calloc(size_t, size_t);
void *realloc(void *, size_t);
void free(void *);
/* string.c, wide.c */
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
size_t strlen(const char *);
int strcmp(const char *, const char *);
int strncmp(const char *, const char *, size_t);
char *strcpy(char *, const char *);
char *strchr(const char *, int);
int _strnicmp(const char *, const char *, size_t);
size_t wcslen(const wchar_t *);
/* ctype.c */
int isspace(int), isdigit(int), isalnum(int), isalpha(int), tolower(int), toupper(int), isupper(int);
/* number.c */
uint64_t crt_parse(const char *, char **, int, int *, int *);
/* decimal.c */
#define DIGITS_MAX 800
int crt_digits(double, char *, int *);
int crt_round(char *, int *, int, int *);
double crt_to_double(const char *, size_t, int, int *);
double strtod(const char *, char **);
/* print.c */
typedef struct {
    FILE *file;   /* a stream, or */
    void *buffer; /* a buffer of chars, or of wide ones */
    int wide;     /* the format's and the buffer's characters are wide */
    size_t size, count;
    int failed;
} Sink;
int crt_print(Sink *, const void *, va_list);
/* lock.c */
void crt_lock(volatile int *);
void crt_unlock(volatile int *);

#endif
