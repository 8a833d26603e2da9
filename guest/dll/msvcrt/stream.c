/* Streams over the descriptors.
 *
 * A stream that is written holds its text between `_base` and `_ptr` and keeps `_cnt` at 0, so that a program's
 * macros come here for every character. What is a console is written line by line, when the program reads, and at the end;
 * stderr at once; a file when its buffer is full. setvbuf can change that. How streams are opened is in open.c.
 */
#include "crt.h"

#define SIZE 4096
static char own_buffers[3][SIZE];
FILE _iob[STREAMS] = {
    {._flag = _IOREAD, ._file = 0}, {._flag = _IOWRT, ._file = 1}, {._flag = _IOWRT | _IONBF, ._file = 2},
};
int _commode;

FILE *__iob_func(void) { return _iob; }

static int bad(FILE *f) {
    f->_flag |= _IOERR;
    return EOF;
}

/* Whether the stream has a buffer now. */
static int prepare(FILE *f) {
    if (f->_base) return 1;
    int standard = f >= _iob && f < _iob + 3;
    f->_base = standard ? own_buffers[f - _iob] : malloc(SIZE);
    if (!f->_base) return 0;
    f->_bufsiz = SIZE;
    f->_ptr = f->_base;
    f->_cnt = 0;
    if (!standard) f->_flag |= _IOMYBUF;
    return 1;
}

static int flush_written(FILE *f) {
    f->_flag &= ~IO_LINE;
    if (!(f->_flag & _IOWRT) || !f->_base || f->_ptr <= f->_base) return 0;
    unsigned count = (unsigned)(f->_ptr - f->_base);
    f->_ptr = f->_base;
    f->_cnt = 0;
    return _write(f->_file, f->_base, count) < 0 ? bad(f) : 0;
}

/* Writes what is left to be written, and forgets what was read ahead. */
int crt_drop(FILE *f) {
    int result = flush_written(f);
    f->_ptr = f->_base;
    f->_cnt = 0;
    return result;
}

int fflush(FILE *f) {
    if (f) {
        int result = flush_written(f);
        /* A stream for both may be read next. */
        if (f->_flag & _IORW) f->_flag &= ~_IOWRT;
        return result;
    }
    int result = 0;
    for (int i = 0; (f = crt_stream(i)); i++) result |= flush_written(f);
    return result;
}

void crt_flush_all(void) { fflush(NULL); }

int _flushall(void) {
    int open = 0;
    FILE *f;
    for (int i = 0; (f = crt_stream(i)); i++) open += (f->_flag & (_IOREAD | _IOWRT | _IORW)) != 0;
    fflush(NULL);
    return open;
}

/* Adds to what is written; whoever is done with a call settles. */
void crt_put(FILE *f, const char *bytes, size_t count) {
    /* At the end of the file a stream for both may go over to writing by itself. */
    if (f->_flag & _IORW && f->_flag & _IOREAD && f->_flag & _IOEOF) {
        f->_flag &= ~(_IOREAD | _IOEOF);
        f->_ptr = f->_base;
        f->_cnt = 0;
    }
    if (!(f->_flag & (_IOWRT | _IORW)) || f->_flag & _IOREAD) {
        errno = EBADF;
        bad(f);
        return;
    }
    f->_flag |= _IOWRT;
    if (!prepare(f)) {
        bad(f);
        return;
    }
    /* What would fill the buffer goes by it. */
    if (f->_flag & IO_FULL && count >= (size_t)f->_bufsiz && count < INT_MAX) {
        if (flush_written(f) || _write(f->_file, bytes, (unsigned)count) < 0) bad(f);
        return;
    }
    for (; count; count--, bytes++) {
        if (f->_ptr - f->_base >= f->_bufsiz) flush_written(f);
        if (*bytes == '\n') f->_flag |= IO_LINE;
        *f->_ptr++ = *bytes;
    }
}

void crt_settle(FILE *f) {
    if (f->_flag & _IONBF || (f->_flag & IO_LINE && !(f->_flag & IO_FULL))) {
        if (f == stderr) flush_written(stdout);
        flush_written(f);
    }
}

int fputc(int c, FILE *f) {
    char byte = (char)c;
    crt_put(f, &byte, 1);
    if (byte == '\n' || f->_flag & _IONBF) crt_settle(f);
    return f->_flag & _IOERR ? EOF : (unsigned char)byte;
}

int _flsbuf(int c, FILE *f) {
    f->_cnt = 0;
    return fputc(c, f);
}

int putchar(int c) { return fputc(c, stdout); }

size_t fwrite(const void *data, size_t size, size_t count, FILE *f) {
    size_t whole;
    if (!size || !count) return 0;
    if (__builtin_mul_overflow(size, count, &whole)) {
        errno = EINVAL;
        return 0;
    }
    int before = f->_flag & _IOERR;
    f->_flag &= ~_IOERR;
    crt_put(f, data, whole);
    crt_settle(f);
    size_t written = f->_flag & _IOERR ? 0 : count;
    f->_flag |= before;
    return written;
}

int fputs(const char *text, FILE *f) {
    size_t length = strlen(text);
    return fwrite(text, 1, length, f) == length ? 0 : EOF;
}

int puts(const char *text) {
    crt_put(stdout, text, strlen(text));
    crt_put(stdout, "\n", 1);
    crt_settle(stdout);
    return stdout->_flag & _IOERR ? EOF : 0;
}

int _filbuf(FILE *f) {
    if (f->_flag & _IOWRT || !(f->_flag & (_IOREAD | _IORW))) {
        errno = EBADF;
        return bad(f);
    }
    f->_cnt = 0;
    if (!prepare(f)) return bad(f);
    f->_flag |= _IOREAD;
    if (_isatty(f->_file)) flush_written(stdout);
    crt_note_fill(f);
    int got = _read(f->_file, f->_base, f->_flag & _IONBF ? 1 : (unsigned)f->_bufsiz);
    if (got <= 0) {
        f->_flag |= got ? _IOERR : _IOEOF;
        return EOF;
    }
    f->_ptr = f->_base + 1;
    f->_cnt = got - 1;
    return (unsigned char)*f->_base;
}

int fgetc(FILE *f) {
    if (!(f->_flag & _IOWRT) && f->_cnt > 0) {
        f->_cnt--;
        return (unsigned char)*f->_ptr++;
    }
    return _filbuf(f);
}

int getchar(void) { return fgetc(stdin); }

int ungetc(int c, FILE *f) {
    if (c == EOF || f->_flag & _IOWRT || !(f->_flag & (_IOREAD | _IORW)) || !prepare(f)) return EOF;
    if (f->_ptr == f->_base) {
        if (f->_cnt) return EOF;
        f->_ptr++;
    }
    *--f->_ptr = (char)c;
    f->_cnt++;
    f->_flag &= ~_IOEOF;
    return (unsigned char)c;
}

char *fgets(char *text, int size, FILE *f) {
    if (size <= 0) return NULL;
    char *end = text;
    while (--size) {
        int c = fgetc(f);
        if (c == EOF) {
            if (end == text || f->_flag & _IOERR) return NULL;
            break;
        }
        *end++ = (char)c;
        if (c == '\n') break;
    }
    *end = 0;
    return text;
}

char *gets(char *text) {
    char *end = text;
    for (int c; (c = fgetc(stdin)) != '\n';) {
        if (c == EOF) {
            if (end == text) return NULL;
            break;
        }
        *end++ = (char)c;
    }
    *end = 0;
    return text;
}

size_t fread(void *data, size_t size, size_t count, FILE *f) {
    size_t whole, got = 0;
    if (!size || !count) return 0;
    if (__builtin_mul_overflow(size, count, &whole)) {
        errno = EINVAL;
        return 0;
    }
    while (got < whole) {
        size_t take = whole - got;
        if (f->_flag & _IOWRT || f->_cnt <= 0) {
            int c = _filbuf(f);
            if (c == EOF) break;
            ((char *)data)[got++] = (char)c;
            continue;
        }
        if (take > (size_t)f->_cnt) take = (size_t)f->_cnt;
        memcpy((char *)data + got, f->_ptr, take);
        f->_ptr += take;
        f->_cnt -= (int)take;
        got += take;
    }
    return got / size;
}

int setvbuf(FILE *f, char *buffer, int mode, size_t size) {
    if ((mode != 0 && mode != _IONBF && mode != _IOLBF) || (mode != _IONBF && (size < 2 || size > INT_MAX))) {
        errno = EINVAL;
        return -1;
    }
    flush_written(f);
    if (f->_flag & _IOMYBUF) free(f->_base);
    f->_flag &= ~(_IOMYBUF | _IOYOURBUF | _IONBF | IO_FULL);
    f->_base = f->_ptr = NULL;
    f->_cnt = 0;
    if (mode == _IONBF) {
        f->_flag |= _IONBF;
        return 0;
    }
    /* As documented, line buffering is full buffering. */
    f->_flag |= IO_FULL;
    f->_base = buffer ? buffer : malloc(size);
    if (!f->_base) return -1;
    f->_flag |= buffer ? _IOYOURBUF : _IOMYBUF;
    f->_ptr = f->_base;
    f->_bufsiz = (int)size;
    return 0;
}

void setbuf(FILE *f, char *buffer) { setvbuf(f, buffer, buffer ? 0 : _IONBF, 512); }

int feof(FILE *f) { return f->_flag & _IOEOF; }
int ferror(FILE *f) { return f->_flag & _IOERR; }
void clearerr(FILE *f) { f->_flag &= ~(_IOEOF | _IOERR); }
int _fileno(FILE *f) { return f->_file; }

void perror(const char *text) {
    extern char *strerror(int);
    const char *message = strerror(errno);
    if (text && *text) {
        crt_put(stderr, text, strlen(text));
        crt_put(stderr, ": ", 2);
    }
    crt_put(stderr, message, strlen(message));
    crt_put(stderr, "\n", 1);
    crt_settle(stderr);
}

/* Wide characters go through streams as chars of the "C" locale. */
unsigned short fputwc(unsigned short c, FILE *f) {
    if (c > 255) {
        errno = EILSEQ;
        return 0xffff;
    }
    return fputc(c, f) == EOF ? 0xffff : c;
}
unsigned short fgetwc(FILE *f) { return (unsigned short)fgetc(f); }
unsigned short ungetwc(unsigned short c, FILE *f) { return c > 255 ? 0xffff : (unsigned short)ungetc(c, f); }
unsigned short putwchar(unsigned short c) { return fputwc(c, stdout); }
unsigned short getwchar(void) { return fgetwc(stdin); }
int fputws(const wchar_t *text, FILE *f) {
    for (; *text; text++)
        if (fputwc(*text, f) == 0xffff) return EOF;
    return 0;
}
int _putws(const wchar_t *text) { return fputws(text, stdout) || fputwc('\n', stdout) == 0xffff ? EOF : 0; }
