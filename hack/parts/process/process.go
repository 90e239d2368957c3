package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// DefaultStopTimeout is how long Stop waits for a child before it kills it.
const DefaultStopTimeout = 10 * time.Second

// User is an account of the machine that a child runs as.
type User struct{ UID, GID uint32 }

// Options say what to run and how.
type Options struct {
	// Name is what errors call the child; the default is the program's base name.
	Name string
	// Path is the program, as exec.Command takes it.
	Path string
	Args []string
	// Env is the child's environment; nil means that of this program.
	Env []string
	// Dir is where the child runs; empty means where this program does.
	Dir string
	// LogFile is the file that the child's output is appended to. Required.
	LogFile string
	// User is the user that the child runs as; nil means the one that runs this program. Only
	// root may name another, and must then name a Dir that everybody may enter.
	User *User
	// StopSignal asks the child to end. The child also gets it if this program dies
	// without stopping it. The default is SIGTERM.
	StopSignal syscall.Signal
	// StopTimeout is how long Stop waits after StopSignal before it kills the
	// child and all it started. The default is DefaultStopTimeout.
	StopTimeout time.Duration
}

// Process is a running child.
type Process struct {
	opts Options
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start runs a child in its own process group, so that a Ctrl-C in the terminal
// reaches this program alone, and it alone decides when its children end.
func Start(opts Options) (*Process, error) {
	if opts.Name == "" {
		opts.Name = filepath.Base(opts.Path)
	}
	if opts.StopSignal == 0 {
		opts.StopSignal = syscall.SIGTERM
	}
	if opts.StopTimeout == 0 {
		opts.StopTimeout = DefaultStopTimeout
	}
	log, err := os.OpenFile(opts.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", opts.Name, err)
	}
	defer func() { _ = log.Close() }() // The child has its own descriptor.

	cmd := exec.Command(opts.Path, opts.Args...)
	cmd.Env, cmd.Dir = opts.Env, opts.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(opts)
	if err := spawn(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", opts.Name, err)
	}

	p := &Process{opts: opts, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Run runs a program to its end, and stops it when ctx ends first. Its output is
// in the log file; the error of a failure carries the last lines of it.
func Run(ctx context.Context, opts Options) error {
	p, err := Start(opts)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), p.Stop())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w; the end of %s:\n%s", p.opts.Name, p.err, p.opts.LogFile, p.LogTail(20))
	}
	return nil
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends the child a signal.
func (p *Process) Signal(signal syscall.Signal) error { return p.cmd.Process.Signal(signal) }

// ErrKilled is wrapped by what Stop returns when the child did not end when it was asked.
var ErrKilled = errors.New("was killed")

// Stop asks the child to end, waits, and kills its whole process group when it
// does not end in time, which is an error. Stopping a child that has ended, or
// stopping twice, does nothing.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	_ = p.Signal(p.opts.StopSignal) // Fails only when the child has just ended.
	timeout := time.NewTimer(p.opts.StopTimeout)
	defer timeout.Stop()
	select {
	case <-p.done:
		return nil
	case <-timeout.C:
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.done
	return fmt.Errorf("%s did not end within %s of %s and %w; see %s",
		p.opts.Name, p.opts.StopTimeout, p.opts.StopSignal, ErrKilled, p.opts.LogFile)
}

// Kill ends the child at once, as a crash would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // Fails only when the child has just ended.
	<-p.done
}

// WaitReady calls ready until it returns nil. It gives up, with an error that
// carries the end of the child's log, when the child ends or ctx does.
func (p *Process) WaitReady(ctx context.Context, ready func(context.Context) error) error {
	const interval = 20 * time.Millisecond
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready: %w; the end of %s:\n%s",
				p.opts.Name, p.exitError(), p.opts.LogFile, p.LogTail(20))
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time (%w): %w; the end of %s:\n%s",
				p.opts.Name, context.Cause(ctx), err, p.opts.LogFile, p.LogTail(20))
		}
	}
}

func (p *Process) exitError() error {
	if p.err != nil {
		return p.err
	}
	return errors.New("exit status 0")
}

// LogTail is the last lines of the child's log, for errors.
func (p *Process) LogTail(lines int) string {
	raw, err := os.ReadFile(p.opts.LogFile)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// spawner is the thread that starts the children. The kernel sends a child its
// death signal when the *thread* that started it ends; Go ends threads now and
// then, so that children must come from one that lives as long as the program.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func spawn(cmd *exec.Cmd) (err error) {
	done := make(chan struct{})
	spawner() <- func() {
		defer close(done)
		err = cmd.Start()
	}
	<-done
	return err
}
