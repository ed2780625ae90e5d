// Package child runs this program as a process of its own for one job: what is
// killed, or takes memory that must be gone afterwards, is done there.
//
//  1. [Start] gives the process its job as JSON on standard input. It dies with
//     its parent, whatever ends that one.
//  2. The process answers in lines on standard output ([Process.Line]).
//  3. It ends by itself ([Process.Wait]) or with SIGKILL ([Process.Kill]).
package child
