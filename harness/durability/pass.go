package durability

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/harness/child"
	"orbitbench/harness/result"
)

// limitOf bounds a pass. A hung engine ends with it.
func limitOf(d engines.Durability) time.Duration { return 45*time.Second + 40*d.Window }

// Verify verifies one engine under one durability, in processes of their own,
// which have ended when it returns. It takes about half a second. What could not
// be found out is in the result; an error is that ctx has ended.
func Verify(ctx context.Context, j Job) (result.Durability, error) {
	began := time.Now()
	d, err := verify(ctx, j)
	if ctx.Err() != nil {
		return d, ctx.Err()
	}
	if err != nil {
		d = j.blank()
		d.Verdict, d.Reason = result.DurabilityNotVerified, err.Error()
	}
	d.Seconds = time.Since(began).Seconds()
	return d, nil
}

func verify(ctx context.Context, j Job) (d result.Durability, err error) {
	var random [12]byte
	if _, err := rand.Read(random[:]); err != nil {
		return d, err
	}
	j.Marker = newMarker(random, time.Now())
	if j.Dir, err = filepath.EvalSymlinks(j.Dir); err != nil { // as /proc shows its files
		return d, err
	}
	if j.Dir, err = filepath.Abs(j.Dir); err != nil {
		return d, err
	}
	limit, cancel := context.WithTimeout(ctx, limitOf(j.Durability))
	defer cancel()
	p, err := child.Start(limit, []string{PassVerb}, j)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	err = p.Decode(&d)
	if limit.Err() != nil && ctx.Err() == nil {
		return d, fmt.Errorf("no verdict after %s", limitOf(j.Durability))
	}
	return d, err
}

// PassMain is the body of the hidden verb PassVerb: it reads a Job, traces a
// worker, and writes a result.Durability. It returns the exit code.
func PassMain(stdin io.Reader, stdout, stderr io.Writer) int {
	var j Job
	if err := json.NewDecoder(stdin).Decode(&j); err != nil {
		fmt.Fprintf(stderr, "durability: job: %v\n", err) // nowhere else to say it
		return 2
	}
	d := pass(&j)
	if err := json.NewEncoder(stdout).Encode(d); err != nil {
		fmt.Fprintf(stderr, "durability: %v\n", err)
		return 1
	}
	return 0
}

// pass traces a worker and judges it.
func pass(j *Job) result.Durability {
	d := j.blank()
	t := &tracer{
		job: j, store: filepath.Join(j.Dir, storeName) + "/", judge: newJudge(j.Durability), began: time.Now(),
		inside: map[int]*inCall{}, known: map[int]bool{}, mapped: newMapped(&j.Marker),
	}
	r, err := t.worker()
	err = errors.Join(err, t.mapped.close())
	switch {
	case r.Unsupported:
		d.Verdict, d.Reason = result.DurabilityNotVerified, r.Error
	case r.Error != "":
		d.Verdict, d.Reason = result.DurabilityNotVerified, "the engine failed in the pass: "+r.Error
		if r.Filter {
			d.Reason = "the system refuses what the trace needs: " + r.Error
		}
	case err != nil:
		d.Verdict, d.Reason = result.DurabilityNotVerified, err.Error()
	default:
		t.judge.verdict(&d)
	}
	return d
}

// worker runs the worker to its end and returns what it said.
func (t *tracer) worker() (r report, err error) {
	program, err := os.Executable()
	if err != nil {
		return r, err
	}
	job, err := json.Marshal(t.job)
	if err != nil {
		return r, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return r, err
	}
	defer null.Close()
	in, err := memoryFile("job", job)
	if err != nil {
		return r, err
	}
	defer in.Close()
	out, err := memoryFile("report", nil)
	if err != nil {
		return r, err
	}
	defer out.Close()
	said, err := memoryFile("stderr", nil)
	if err != nil {
		return r, err
	}
	defer said.Close()
	err = t.trace(program, []string{program, WorkerVerb}, []*os.File{in, out, said, null})
	if err != nil {
		return r, errors.Join(err, lastWords(said))
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return r, err
	}
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		return r, errors.Join(fmt.Errorf("the worker ended without a report: %w", err), lastWords(said))
	}
	return r, nil
}

// memoryFile is a file without a name or a disk, for the standard streams of the
// worker: nobody needs to read them while it runs.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("orbitbench-"+name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lastWords is the first line that the worker wrote to its standard error.
func lastWords(said *os.File) error {
	if _, err := said.Seek(0, io.SeekStart); err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(said, 4096))
	if err != nil {
		return err
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n"); line != "" {
		return errors.New(line)
	}
	return nil
}
