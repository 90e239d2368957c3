package redis

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// clockSource is a library that replaces the clock of the C library for a program.
//
//go:embed testdata/clock.c
var clockSource string

// clockVariable names the file that says how far a server's clock is ahead.
const clockVariable = "BURSAR_CLOCK"

// SetClock makes the server's clock differ from that of this machine: ahead of it, or
// behind if negative, in whole seconds. A server that is started again in the same Dir has
// the same clock. REQUIRES: Options.OwnClock.
func (s *Server) SetClock(ahead time.Duration) error {
	file, err := os.OpenFile(s.clock, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set the clock of Redis: %w", err)
	}
	_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(ahead/time.Second)), 0)
	return cmp.Or(err, file.Close())
}

// ownClock makes the file of a server's clock, and returns the environment in which to start
// the server. It works on Linux, and needs a C compiler.
func (s *Server) ownClock(ctx context.Context, dir string) (env []string, err error) {
	s.clock = filepath.Join(dir, "clock")
	if _, err := os.Stat(s.clock); err != nil {
		if err := os.WriteFile(s.clock, make([]byte, 8), 0o644); err != nil {
			return nil, err
		}
	}
	library := filepath.Join(dir, "clock.so")
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("CC"), "gcc"), "-x", "c", "-O2", "-shared", "-fPIC", "-o", library, "-", "-ldl")
	cmd.Stdin = strings.NewReader(clockSource)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the clock of Redis: %w: %s", err, out)
	}
	return append(os.Environ(), "LD_PRELOAD="+library, clockVariable+"="+s.clock), nil
}
