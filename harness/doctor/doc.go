// Package doctor looks at the machine before anything is measured on it, and
// says what would make figures wrong, in words that tell what to do.
//
//  1. [Look] gathers [Facts]: what package env captures, and beside it the time
//     stolen by the hypervisor, the memory that is free, the privileges of this
//     process, and a probe of the device by package floor. It writes nothing but
//     the probe's file, which is removed.
//  2. [Examine] applies one rule after the other to the facts. Each rule gives one
//     [result.Finding]: PASS, WARN, FAIL (a figure would be wrong or there would be
//     none) or INFO, and with WARN and FAIL a remedy.
//  3. [Refuse] is the part that a run may not go past: durable classes where no
//     device stands behind the data.
//
// What the machine does not tell is INFO or WARN, and never taken for good.
package doctor
