// This file is empty. Its presence lets clock.go declare a function without a
// body (nanotime, which the linker finds in the runtime).
