package e2e

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/bursar-dev/bursar/hack/stack"
)

// startingEnforcers and startingManagers are locked while one of these is started. There are two, because an enforcer
// is not ready without a configuration, which a manager may have to restore first: one must not wait for the other.
var startingEnforcers, startingManagers sync.Mutex

// life is one enforcer, from its start to its end.
type life struct {
	stack.Separable
	slot int
}

// slot is where one enforcer after another serves.
type slot struct {
	number int
	mu     sync.Mutex
	lives  int
	now    *life
}

func (p *slot) serving() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// fill starts an enforcer in a slot, as often as it takes: it ends, as a container would,
// if a store is away.
func (s *soak) fill(ctx context.Context, at *slot) (err error) {
	startingEnforcers.Lock()
	defer startingEnforcers.Unlock()
	for range 10 {
		if err = s.tryToFill(ctx, at); err == nil {
			return nil
		}
	}
	return err
}

func (s *soak) tryToFill(ctx context.Context, at *slot) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	at.mu.Lock()
	at.lives++
	name := fmt.Sprintf("soak-enforcer-%d-%d", at.number, at.lives)
	at.mu.Unlock()
	started, err := bursar.StartSeparable(ctx, name)
	if err != nil {
		if started.Process != nil {
			started.Kill()
		}
		sleep(ctx, time.Second)
		return err
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	at.now = &life{Separable: started, slot: at.number}
	return nil
}

// startManager starts one more manager.
func (s *soak) startManager(ctx context.Context) error {
	startingManagers.Lock()
	defer startingManagers.Unlock()
	s.managers++
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := bursar.StartManager(ctx, fmt.Sprintf("soak-manager-%d", s.managers))
	return err
}

// runningManagers are those that have not ended.
func runningManagers() (running []*stack.Manager) {
	startingManagers.Lock()
	defer startingManagers.Unlock()
	for _, manager := range bursar.Managers {
		select {
		case <-manager.Process().Done():
		default:
			running = append(running, manager)
		}
	}
	return running
}

// leading is the manager that leads, or one that runs.
func leading(ctx context.Context) *stack.Manager {
	running := runningManagers()
	for _, manager := range running {
		if leads(ctx, manager) {
			return manager
		}
	}
	return running[0]
}

// stopFor puts a process to sleep.
func stopFor(p interface{ Signal(syscall.Signal) error }, length time.Duration) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(length)
	return p.Signal(syscall.SIGCONT)
}
