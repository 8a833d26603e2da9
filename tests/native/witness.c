/*
 * The host CPU as a witness: runs code one instruction at a time in a traced child and tells every register after each.
 *
 * Started as `witness ADDRESS:LENGTH...` (hexadecimal), it maps these pages, which it shares with the child, at these
 * addresses, and answers with the byte 'R'; if it cannot, with 'N' and the reason as text. The first range is where FS
 * points in 32-bit code. Then it answers jobs on standard input until that ends; everything is in the host's byte order.
 *
 * Job: struct job, then for each poke its address, its length (both u64) and its bytes.
 * Answer: the number of stops (u64), as many struct stop, XMM0-15 as they were at the last, and the bytes peeked.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* RAX RBX RCX RDX RSI RDI RBP RSP R8-R15 RIP RFLAGS, the order of trapgate's RegisterFile. */
enum { GENERAL = 18, RSP = 7, RIP = 16, RFLAGS = 17 };

struct job {
    uint64_t bits, steps, pokes, peek_address, peek_length;
    uint64_t general[GENERAL];
    uint64_t xmm[32];
};

enum kind { STEPPED, SYSTEM_CALL, SIGNALLED };

struct stop {
    uint64_t kind, signal, code, address, number, bits;
    uint64_t general[GENERAL];
};

enum { CODE_64 = 0x33, CODE_32 = 0x23, DATA = 0x2b, FIRST_LOCAL = 7, TRAP_FLAG = 0x100 };
/* What Windows starts a thread with. */
enum { FPU_CONTROL = 0x27f, MXCSR = 0x1f80 };

static pid_t child;
static struct user_regs_struct first;
static struct user_fpregs_struct first_fpu;
static unsigned teb;

static void no(const char *what)
{
    printf("N%s: %s\n", what, strerror(errno));
    exit(0);
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int get(void *to, size_t length) { return fread(to, 1, length, stdin) == length; }

static void put(const void *from, size_t length)
{
    if (fwrite(from, 1, length, stdout) != length) die("answering");
}

static void map(const char *range)
{
    char *end;
    uint64_t address = strtoull(range, &end, 16), length = strtoull(end + 1, NULL, 16);
    void *at = mmap((void *)address, length, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at == MAP_FAILED) no("mmap");
    if (at != (void *)address) errno = EEXIST, no("mmap");
    if (!teb) teb = address;
}

static int wait_for_child(void)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) die("the child is gone");
    return WSTOPSIG(status);
}

static void child_main(void)
{
    /* The descriptor that 32-bit code needs for FS: a null selector has no base there. */
    struct user_desc d = { .entry_number = 0, .base_addr = teb, .limit = 0xfff, .seg_32bit = 1, .useable = 1 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Its result is an int, which glibc's syscall does not know. */
    if ((int)syscall(SYS_modify_ldt, 1, &d, sizeof d)) _exit(1);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(2);
    raise(SIGSTOP);
    _exit(0);
}

static void start(void)
{
    int status;
    child = fork();
    if (child < 0) no("fork");
    if (!child) child_main();
    if (waitpid(child, &status, 0) != child) no("waitpid");
    if (!WIFSTOPPED(status)) errno = EPERM, no(WEXITSTATUS(status) == 1 ? "modify_ldt" : "ptrace");
    if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) no("ptrace");
    if (ptrace(PTRACE_GETREGS, child, 0, &first) || ptrace(PTRACE_GETFPREGS, child, 0, &first_fpu)) no("ptrace");
    first_fpu.cwd = FPU_CONTROL;
    first_fpu.swd = first_fpu.ftw = 0;
    first_fpu.mxcsr = MXCSR;
}

static void set(const struct job *job)
{
    struct user_regs_struct u = first;
    struct user_fpregs_struct f = first_fpu;
    const uint64_t *g = job->general;
    u.rax = g[0], u.rbx = g[1], u.rcx = g[2], u.rdx = g[3], u.rsi = g[4], u.rdi = g[5], u.rbp = g[6], u.rsp = g[7];
    u.r8 = g[8], u.r9 = g[9], u.r10 = g[10], u.r11 = g[11], u.r12 = g[12], u.r13 = g[13], u.r14 = g[14], u.r15 = g[15];
    u.rip = g[RIP], u.eflags = g[RFLAGS];
    /* No system call to start again. */
    u.orig_rax = -1;
    u.cs = job->bits == 64 ? CODE_64 : CODE_32;
    u.ss = u.ds = u.es = DATA;
    if (job->bits == 32) u.fs = FIRST_LOCAL, u.fs_base = teb;
    memcpy(f.xmm_space, job->xmm, sizeof job->xmm);
    if (ptrace(PTRACE_SETREGS, child, 0, &u) || ptrace(PTRACE_SETFPREGS, child, 0, &f)) die("setting registers");
}

static void read_general(struct stop *stop)
{
    struct user_regs_struct u;
    if (ptrace(PTRACE_GETREGS, child, 0, &u)) die("reading registers");
    const uint64_t general[GENERAL] = { u.rax, u.rbx, u.rcx, u.rdx, u.rsi, u.rdi, u.rbp, u.rsp, u.r8,
                                        u.r9,  u.r10, u.r11, u.r12, u.r13, u.r14, u.r15, u.rip, u.eflags };
    memcpy(stop->general, general, sizeof general);
    stop->number = u.orig_rax;
    stop->bits = u.cs == CODE_64 ? 64 : 32;
}

/* What the instruction at an address is, as far as stepping must know. The pages are mapped here too. */
static int is_pushf(const unsigned char *code, int bits)
{
    while (*code == 0x66 || (bits == 64 && *code >> 4 == 4)) code++;
    return *code == 0x9c;
}

static int is_repeated(const unsigned char *code)
{
    for (; *code == 0x66 || *code == 0x67 || *code == 0xf2 || *code == 0xf3; code++)
        if (*code >= 0xf2) return 1;
    return 0;
}

/* One instruction; a repeated one to its end. */
static struct stop step(void)
{
    struct stop stop = { 0 };
    read_general(&stop);
    uint64_t before = stop.general[RIP];
    int pushes = is_pushf((unsigned char *)before, stop.bits), repeats = is_repeated((unsigned char *)before);
    int signal;
    do {
        if (ptrace(PTRACE_SYSEMU_SINGLESTEP, child, 0, 0)) die("stepping");
        signal = wait_for_child();
        read_general(&stop);
    } while (signal == SIGTRAP && repeats && stop.general[RIP] == before);
    if (signal == (SIGTRAP | 0x80)) {
        stop.kind = SYSTEM_CALL;
    } else if (signal != SIGTRAP) {
        siginfo_t info;
        if (ptrace(PTRACE_GETSIGINFO, child, 0, &info)) die("reading the signal");
        stop.kind = SIGNALLED, stop.signal = signal, stop.code = info.si_code;
        stop.address = (uint64_t)info.si_addr;
    } else if (pushes) {
        /* Stepping is by the trap flag, which is pushed with the others. */
        *(uint16_t *)stop.general[RSP] &= ~TRAP_FLAG;
    }
    return stop;
}

static void run(const struct job *job)
{
    struct stop *stops = calloc(job->steps + 1, sizeof *stops);
    struct user_fpregs_struct f;
    uint64_t count = 0;
    if (!stops) die("memory");
    set(job);
    while (count < job->steps) {
        stops[count] = step();
        if (stops[count++].kind != STEPPED) break;
    }
    if (ptrace(PTRACE_GETFPREGS, child, 0, &f)) die("reading XMM");
    put(&count, sizeof count);
    put(stops, count * sizeof *stops);
    put(f.xmm_space, sizeof f.xmm_space);
    put((void *)job->peek_address, job->peek_length);
    fflush(stdout);
    free(stops);
}

int main(int argc, char **argv)
{
    struct job job;
    for (int i = 1; i < argc; i++) map(argv[i]);
    start();
    printf("R");
    fflush(stdout);
    while (get(&job, sizeof job)) {
        for (uint64_t i = 0; i < job.pokes; i++) {
            uint64_t range[2];
            if (!get(range, sizeof range) || !get((void *)range[0], range[1])) die("a job");
        }
        run(&job);
    }
    return 0;
}
