//! Functions of a few instructions that drivers call, and the entry point.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::super::item::Item;
use super::super::code::Code;
use super::super::fields::Fields;
use super::super::{APC_LEVEL, DISPATCH_LEVEL, getters, tables};
use super::selector;
use crate::system::KernelGate;

pub(super) fn items(f: &Fields) -> Result<Vec<Item>, AsmError> {
    let mut items = vec![startup(f)?, bug_check(f)?];
    items.extend(current(f)?);
    items.extend(irql(f)?);
    items.push(tables::zw_32(f, selector::KERNEL_CODE as u8));
    Ok(items)
}

/// A function of its own.
fn function(
    f: &Fields, name: &'static str, body: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    code.export(name)?;
    body(&mut code.asm)?;
    code.finish()
}

/// `KiSystemStartup`: what an interrupt of the first user instruction would have pushed is on the stack.
fn startup(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    code.name("KiSystemStartup")?;
    code.asm.push(selector::TEB)?;
    code.asm.pop(fs)?;
    code.asm.iretd()?;
    code.finish()
}

fn bug_check(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    code.export("KeBugCheck")?;
    code.asm.mov(eax, dword_ptr(esp + 4))?;
    for _ in 0..4 {
        code.asm.push(0)?;
    }
    code.asm.push(eax)?;
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
            a.mov(eax, dword_ptr(thread).fs())?;
            a.mov(eax, dword_ptr(eax + offset))?;
            a.ret()
        })?);
    }
    for name in getters::CURRENT_THREAD {
        items.push(function(f, name, |a| {
            a.mov(eax, dword_ptr(thread).fs())?;
            a.ret()
        })?);
    }
    for (name, offset) in getters::of_object(f)? {
        items.push(function(f, name, |a| {
            a.mov(eax, dword_ptr(esp + 4))?;
            a.mov(eax, dword_ptr(eax + offset))?;
            a.ret_1(4)
        })?);
    }
    let previous = f.thread("PreviousMode")?;
    items.push(function(f, "ExGetPreviousMode", |a| {
        a.mov(eax, dword_ptr(thread).fs())?;
        a.movzx(eax, byte_ptr(eax + previous))?;
        a.ret()
    })?);
    Ok(items)
}

/// The interrupt request level is in `KPCR.Irql`.
fn irql(f: &Fields) -> Result<Vec<Item>, AsmError> {
    let level = byte_ptr(f.at("KPCR", "Irql")?).fs();
    let mut items = vec![
        function(f, "KeGetCurrentIrql", |a| {
            a.movzx(eax, level)?;
            a.ret()
        })?,
        function(f, "KfLowerIrql", |a| {
            a.mov(level, cl)?;
            a.ret()
        })?,
        function(f, "KfRaiseIrql", |a| {
            a.movzx(eax, level)?;
            a.mov(level, cl)?;
            a.ret()
        })?,
        function(f, "KeLowerIrql", |a| {
            a.mov(al, byte_ptr(esp + 4))?;
            a.mov(level, al)?;
            a.ret_1(4)
        })?,
        function(f, "KeRaiseIrql", |a| {
            a.mov(ecx, dword_ptr(esp + 8))?;
            a.mov(al, level)?;
            a.mov(byte_ptr(ecx), al)?;
            a.mov(al, byte_ptr(esp + 4))?;
            a.mov(level, al)?;
            a.ret_1(8)
        })?,
    ];
    for (name, to) in [("KeRaiseIrqlToDpcLevel", DISPATCH_LEVEL), ("KeRaiseIrqlToApcLevel", APC_LEVEL)] {
        items.push(function(f, name, |a| {
            a.movzx(eax, level)?;
            a.mov(level, to)?;
            a.ret()
        })?);
    }
    Ok(items)
}
