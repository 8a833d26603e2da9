/* Opening, closing and placing streams. */
#include "crt.h"

#define MORE 492
static FILE *more[MORE];
/* Where in the file the bytes begin that a stream has read ahead, by descriptor. */
static int64_t fills[512];

/* The streams there are, one after the other; NULL at their end. */
FILE *crt_stream(int index) {
    if (index < STREAMS) return &_iob[index];
    return index < STREAMS + MORE ? more[index - STREAMS] : NULL;
}

/* A stream that is not in use, or NULL and EMFILE. */
static FILE *unused(void) {
    for (int i = 3; i < STREAMS; i++)
        if (!_iob[i]._flag) return &_iob[i];
    for (int i = 0; i < MORE; i++) {
        if (!more[i]) more[i] = calloc(1, sizeof(FILE));
        if (more[i] && !more[i]->_flag) return more[i];
    }
    errno = EMFILE;
    return NULL;
}

#define IS_OPEN (_IOREAD | _IOWRT | _IORW)

int fclose(FILE *f) {
    if (!f || !(f->_flag & IS_OPEN)) return EOF;
    int result = crt_drop(f);
    if (f->_flag & _IOMYBUF) free(f->_base);
    if (_close(f->_file)) result = EOF;
    memset(f, 0, sizeof *f);
    return result;
}

int _fcloseall(void) {
    int closed = 0;
    FILE *f;
    for (int i = 3; (f = crt_stream(i)); i++)
        if (f->_flag & IS_OPEN) closed += !fclose(f);
    return closed;
}

/* What a mode means, for `_open` and for the stream; 0 and EINVAL for none. */
static int parse(const wchar_t *mode, int *flags, int *stream) {
    while (mode && *mode == ' ') mode++;
    wchar_t first = mode ? *mode : 0;
    if (first != 'r' && first != 'w' && first != 'a') {
        errno = EINVAL;
        return 0;
    }
    *stream = first == 'r' ? _IOREAD : _IOWRT;
    *flags = first == 'r' ? 0 : first == 'w' ? 1 | O_CREAT | O_TRUNC : 1 | O_CREAT | O_APPEND;
    for (mode++; *mode && *mode != ','; mode++) {
        switch (*mode) {
        case '+':
            *flags = (*flags & ~3) | 2;
            *stream = _IORW;
            break;
        case 'b': *flags |= O_BINARY; break;
        case 't': *flags |= O_TEXT; break;
        case 'D': *flags |= O_TEMPORARY; break;
        case 'N': *flags |= O_NOINHERIT; break;
        case 'S': *flags |= 0x20; break;
        case 'R': *flags |= 0x10; break;
        case 'x': *flags |= O_EXCL; break;
        case 'c': case 'n': case 'T': case ' ': break;
        default: errno = EINVAL; return 0;
        }
    }
    /* `,ccs=`: encodings are not translated. */
    if (*mode) errno = EINVAL;
    return !*mode;
}

static FILE *attach(FILE *f, int fd, int stream) {
    memset(f, 0, sizeof *f);
    f->_flag = stream | (_isatty(fd) ? 0 : IO_FULL);
    f->_file = fd;
    return f;
}

static FILE *open_in(FILE *f, const wchar_t *path, const wchar_t *mode) {
    int flags, stream;
    if (!path || !parse(mode, &flags, &stream)) {
        errno = EINVAL;
        return NULL;
    }
    if (!f) f = unused();
    if (!f) return NULL;
    int fd = crt_open(path, flags, 0x180);
    return fd < 0 ? NULL : attach(f, fd, stream);
}

FILE *_wfopen(const wchar_t *path, const wchar_t *mode) { return open_in(NULL, path, mode); }

static FILE *open_narrow(FILE *f, const char *path, const char *mode) {
    if (!path || !mode) {
        errno = EINVAL;
        return NULL;
    }
    wchar_t *wide = crt_wide(path), *wide_mode = wide ? crt_wide(mode) : NULL;
    f = wide_mode ? open_in(f, wide, wide_mode) : NULL;
    free(wide_mode);
    free(wide);
    return f;
}
FILE *fopen(const char *path, const char *mode) { return open_narrow(NULL, path, mode); }

static void close_for_reuse(FILE *f) {
    if (!(f->_flag & IS_OPEN)) return;
    fclose(f);
    /* Nobody else may take it meanwhile. */
    f->_flag = _IOMYBUF;
}
FILE *freopen(const char *path, const char *mode, FILE *f) {
    close_for_reuse(f);
    FILE *opened = open_narrow(f, path, mode);
    if (!opened) f->_flag = 0;
    return opened;
}
FILE *_wfreopen(const wchar_t *path, const wchar_t *mode, FILE *f) {
    close_for_reuse(f);
    FILE *opened = open_in(f, path, mode);
    if (!opened) f->_flag = 0;
    return opened;
}
int fopen_s(FILE **result, const char *path, const char *mode) {
    if (!result) return EINVAL;
    *result = fopen(path, mode);
    return *result ? 0 : errno;
}
int _wfopen_s(FILE **result, const wchar_t *path, const wchar_t *mode) {
    if (!result) return EINVAL;
    *result = _wfopen(path, mode);
    return *result ? 0 : errno;
}

FILE *_wfdopen(int fd, const wchar_t *mode) {
    int flags, stream;
    if (!parse(mode, &flags, &stream)) return NULL;
    if (!crt_fd_open(fd)) {
        errno = EBADF;
        return NULL;
    }
    FILE *f = unused();
    return f ? attach(f, fd, stream) : NULL;
}
FILE *_fdopen(int fd, const char *mode) {
    wchar_t *wide = mode ? crt_wide(mode) : NULL;
    FILE *f = _wfdopen(fd, wide);
    free(wide);
    return f;
}

/* A file that goes when it is closed. */
FILE *tmpfile(void) {
    wchar_t folder[262], name[276];
    if (!GetTempPathW(262, folder) || !GetTempFileNameW(folder, L"t", 0, name)) {
        crt_failed();
        return NULL;
    }
    FILE *f = unused();
    int fd = f ? crt_open(name, 2 | O_CREAT | O_TRUNC | O_BINARY | O_TEMPORARY, 0x180) : -1;
    return fd < 0 ? NULL : attach(f, fd, _IORW);
}

/* Notes where a stream reads on, which a text's place cannot be told without. */
void crt_note_fill(FILE *f) {
    if (f->_file >= 0 && f->_file < 512 && crt_is_text(f->_file) && !_isatty(f->_file)) fills[f->_file] = _lseeki64(f->_file, 0, 1);
}

/* Bytes of the file that gave the characters which were read of a text: "\n" may have been one or two. */
static int64_t raw_length(int fd, int64_t start, int64_t characters) {
    char bytes[512];
    int64_t length = 0;
    HANDLE handle = (HANDLE)_get_osfhandle(fd);
    for (unsigned got = 0, i = 0; characters > 0;) {
        if (i >= got) {
            IoStatus io = {.information = 0};
            int64_t at = start + length;
            if (NtReadFile(handle, NULL, NULL, NULL, &io, bytes, sizeof bytes, &at, NULL) < 0 || !io.information) break;
            got = (unsigned)io.information;
            i = 0;
        }
        length++;
        /* A "\r" before a "\n" is no character. */
        if (bytes[i++] != '\r') {
            characters--;
            continue;
        }
        if (i >= got) {
            IoStatus io = {.information = 0};
            int64_t at = start + length;
            if (NtReadFile(handle, NULL, NULL, NULL, &io, bytes, sizeof bytes, &at, NULL) < 0 || !io.information) break;
            got = (unsigned)io.information;
            i = 0;
        }
        if (bytes[i] != '\n') characters--;
    }
    return length;
}

int64_t _ftelli64(FILE *f) {
    if (f->_flag & _IOWRT) crt_drop(f);
    int64_t position = _lseeki64(f->_file, 0, 1);
    if (position < 0 || f->_flag & _IOWRT || f->_cnt <= 0) return position;
    if (!crt_is_text(f->_file)) return position - f->_cnt;
    int64_t start = fills[f->_file];
    int64_t length = raw_length(f->_file, start, f->_ptr - f->_base);
    _lseeki64(f->_file, position, 0);
    return start + length;
}

int _fseeki64(FILE *f, int64_t offset, int origin) {
    if (origin == 1) {
        int64_t here = _ftelli64(f);
        if (here < 0) return -1;
        offset += here;
        origin = 0;
    }
    if (crt_drop(f)) return -1;
    if (f->_flag & _IORW) f->_flag &= ~(_IOREAD | _IOWRT);
    if (_lseeki64(f->_file, offset, origin) < 0) return -1;
    f->_flag &= ~_IOEOF;
    return 0;
}
int fseek(FILE *f, int offset, int origin) { return _fseeki64(f, offset, origin); }
int ftell(FILE *f) { return (int)_ftelli64(f); }
int fgetpos(FILE *f, int64_t *position) {
    *position = _ftelli64(f);
    return *position < 0 ? -1 : 0;
}
int fsetpos(FILE *f, const int64_t *position) { return _fseeki64(f, *position, 0); }
void rewind(FILE *f) {
    _fseeki64(f, 0, 0);
    f->_flag &= ~(_IOEOF | _IOERR);
}
