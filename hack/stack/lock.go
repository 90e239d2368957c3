package stack

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock reserves the directory for this stack until it stops, or its process ends: another stack there would
// overwrite its certificates.
func (s *Stack) lock() error {
	file, err := os.OpenFile(s.dir("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // no number is so large
		return errors.Join(fmt.Errorf("another make run or make demo uses %s: end it, or set DEV_DIR to another directory", s.opts.Dir), file.Close())
	}
	s.stops = append(s.stops, file.Close)
	return nil
}
