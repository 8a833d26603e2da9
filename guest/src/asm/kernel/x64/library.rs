//! Functions of a few instructions that drivers call, and the entry point.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::super::item::Item;
use super::super::code::Code;
use super::super::fields::Fields;
use super::super::{APC_LEVEL, DISPATCH_LEVEL, getters, tables};
use crate::system::KernelGate;

pub(super) fn items(f: &Fields) -> Result<Vec<Item>, AsmError> {
    let mut items = vec![startup(f)?, bug_check(f)?];
    items.extend(current(f)?);
    items.extend(irql(f)?);
    items.push(tables::zw_64(f));
    Ok(items)
}

/// A function of its own.
fn function(
    f: &Fields, name: &'static str, body: impl FnOnce(&mut CodeAssembler) -> Result<(), iced_x86::IcedError>,
) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    code.export(name)?;
    body(&mut code.asm)?;
    code.finish()
}

/// `KiSystemStartup`: what an interrupt of the first user instruction would have pushed is on the stack, and GS is the
/// kernel's.
fn startup(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    code.name("KiSystemStartup")?;
    code.asm.swapgs()?;
    code.asm.iretq()?;
    code.finish()
}

fn bug_check(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    code.export("KeBugCheck")?;
    code.asm.xor(edx, edx)?;
    code.asm.xor(r8d, r8d)?;
    code.asm.xor(r9d, r9d)?;
    code.asm.sub(rsp, 0x28)?;
    code.asm.mov(qword_ptr(rsp + 0x20), 0)?;
    let ex = code.to("KeBugCheckEx");
    code.asm.call(ex)?;
    code.asm.int3()?;
    code.export("KeBugCheckEx")?;
    code.asm.int(u32::from(KernelGate::BugCheck.vector()))?;
    code.asm.int3()?;
    code.finish()
}

/// What runs now.
fn current(f: &Fields) -> Result<Vec<Item>, AsmError> {
    let thread = f.prcb("CurrentThread")?;
    let mut items = Vec::new();
    for (name, offset) in getters::of_current(f)? {
        items.push(function(f, name, |a| {
            a.mov(rax, qword_ptr(thread).gs())?;
            a.mov(rax, qword_ptr(rax + offset))?;
            a.ret()
        })?);
    }
    for name in getters::CURRENT_THREAD {
        items.push(function(f, name, |a| {
            a.mov(rax, qword_ptr(thread).gs())?;
            a.ret()
        })?);
    }
    for (name, offset) in getters::of_object(f)? {
        items.push(function(f, name, |a| {
            a.mov(rax, qword_ptr(rcx + offset))?;
            a.ret()
        })?);
    }
    let previous = f.thread("PreviousMode")?;
    items.push(function(f, "ExGetPreviousMode", |a| {
        a.mov(rax, qword_ptr(thread).gs())?;
        a.movzx(eax, byte_ptr(rax + previous))?;
        a.ret()
    })?);
    Ok(items)
}

/// The interrupt request level is in CR8.
fn irql(f: &Fields) -> Result<Vec<Item>, AsmError> {
    let mut items = vec![
        function(f, "KeGetCurrentIrql", |a| {
            a.mov(rax, cr8)?;
            a.ret()
        })?,
        function(f, "KeLowerIrql", |a| {
            a.movzx(eax, cl)?;
            a.mov(cr8, rax)?;
            a.ret()
        })?,
        function(f, "KfRaiseIrql", |a| {
            a.mov(rax, cr8)?;
            a.movzx(ecx, cl)?;
            a.mov(cr8, rcx)?;
            a.ret()
        })?,
    ];
    for (name, level) in [("KeRaiseIrqlToDpcLevel", DISPATCH_LEVEL), ("KeRaiseIrqlToApcLevel", APC_LEVEL)] {
        items.push(function(f, name, |a| {
            a.mov(rax, cr8)?;
            a.mov(ecx, level)?;
            a.mov(cr8, rcx)?;
            a.ret()
        })?);
    }
    Ok(items)
}
