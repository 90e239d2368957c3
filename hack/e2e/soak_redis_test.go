package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/hack/parts/redis"
)

func redisFaults() []fault {
	return []fault{
		{"Redis forgets", "r", true, (*struck).forget},
		{"Redis forgets again and again", "r", false, func(s *struck) error {
			for range 3 + s.chance.IntN(10) {
				if err := s.forget(); err != nil {
					return err
				}
				s.pause(0, 400*time.Millisecond)
			}
			return nil
		}},
		{"Redis hangs", "r", false, func(s *struck) error { return s.hang(s.between(100*time.Millisecond, 10*time.Second)) }},
		{"Redis crashes, and is empty", "r", false, func(s *struck) error { return s.crash(false, 0, 5*time.Second) }},
		{"Redis crashes, and has an old snapshot", "r", false, func(s *struck) error { return s.crash(true, 0, 5*time.Second) }},
		{"Redis has older data in the same run", "r", false, (*struck).goBack},
	}
}

func (s *struck) forget() error {
	s.history.lose()
	defer s.history.lose()
	return s.redis.FlushAll(s).Err()
}

func (s *struck) hang(length time.Duration) error {
	if err := bursar.PauseRedis(); err != nil {
		return err
	}
	time.Sleep(length)
	return bursar.ResumeRedis()
}

// crash ends Redis, and starts it again after a while: empty, or with what it has saved
// some seconds before.
func (s *struck) crash(saves bool, least, most time.Duration) error {
	if err := s.save(saves); err != nil {
		return err
	}
	s.history.lose()
	defer s.history.lose()
	if err := bursar.StopRedis(true); err != nil {
		return err
	}
	s.pause(least, most)
	return startAgain(s, bursar.StartRedis)
}

func (s *struck) save(saves bool) error {
	if saves {
		if err := s.redis.Save(s).Err(); err != nil {
			return err
		}
		s.pause(0, 10*time.Second)
		return nil
	}
	dir, err := s.redis.ConfigGet(s, "dir").Result()
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir["dir"], "dump.rdb")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// goBack makes Redis copy the older data of its replica, like a master that is demoted and
// promoted again.
func (s *struck) goBack() error {
	replica, err := redis.Start(s, redis.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = replica.Stop() }()
	older := goredis.NewClient(&goredis.Options{Addr: replica.Addr})
	defer func() { _ = older.Close() }()
	if err := s.copies(older, s.redis.Options().Addr); err != nil {
		return err
	}
	s.pause(time.Second, 10*time.Second)
	s.history.lose()
	defer s.history.lose()
	return s.copies(s.redis, replica.Addr)
}

// copies makes a Redis copy the data of another one, and then a master again.
func (s *struck) copies(client *goredis.Client, addr string) error {
	host, port, _ := strings.Cut(addr, ":")
	if err := errors.Join(
		client.ConfigSet(s, "repl-diskless-sync-delay", "0").Err(), s.redis.ConfigSet(s, "repl-diskless-sync-delay", "0").Err(),
		client.Do(s, "REPLICAOF", host, port).Err(),
	); err != nil {
		return err
	}
	defer client.Do(s, "REPLICAOF", "NO", "ONE")
	for range 500 {
		if strings.Contains(client.Info(s, "replication").Val(), "master_link_status:up") {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("Redis at %s did not copy the one at %s within ten seconds", client.Options().Addr, addr)
}

// twoAtOnce are the second disasters: Redis is lost, and something else is wrong as well.
func twoAtOnce() []fault {
	return []fault{
		{"an enforcer dies with Redis", "er", false, (*struck).dieTogether},
		{"Redis hangs while an enforcer ends", "erp", false, (*struck).endWithoutRedis},
		{"Redis forgets while enforcers sleep and there is no manager", "erm", false, (*struck).forgetAsleep},
		{"Redis is lost while an enforcer cannot reach it", "erp", false, (*struck).loseApart},
		{"Redis is lost while an enforcer can reach neither store", "erp", false, (*struck).loseFarApart},
		{"Redis forgets while an enforcer cannot reach Postgres", "erp", false, func(s *struck) error {
			at := s.slot().serving()
			defer s.history.outage(time.Now())
			at.Postgres.Cut()
			defer at.Postgres.Mend()
			s.pause(0, 2*time.Second)
			if err := s.forget(); err != nil {
				return err
			}
			s.pause(time.Second, 10*time.Second)
			return nil
		}},
		{"Redis forgets while Postgres is away", "erp", false, (*struck).forgetWithoutLedger},
		{"Redis forgets while the API server hangs", "ramo", false, (*struck).forgetWithoutAPI},
	}
}

func (s *struck) dieTogether() error {
	at := s.slot()
	s.history.kill(at.serving())
	at.serving().Kill()
	if err := s.crash(false, 0, 4*time.Second); err != nil {
		return err
	}
	return s.fill(s, at)
}

func (s *struck) endWithoutRedis() error {
	at := s.slot()
	if err := bursar.PauseRedis(); err != nil {
		return err
	}
	s.pause(0, time.Second)
	serving := at.serving()
	err := serving.Signal(syscall.SIGTERM)
	s.pause(time.Second, 20*time.Second)
	err = errors.Join(err, bursar.ResumeRedis(), s.awaitEnd(serving))
	return errors.Join(err, s.fill(s, at))
}

func (s *struck) forgetAsleep() error {
	l, length := s.slot().serving(), s.between(2*time.Second, 12*time.Second)
	for _, manager := range runningManagers() {
		manager.Kill()
	}
	slept := make(chan error, 1)
	go func() { slept <- s.sleeps(l, length) }()
	time.Sleep(200 * time.Millisecond) // so that it sleeps
	err := s.forget()
	return errors.Join(err, s.startManager(s), s.startManager(s), <-slept)
}

func (s *struck) loseApart() error {
	at := s.slot().serving()
	at.Redis.Cut()
	defer at.Redis.Mend()
	return s.loseMeanwhile()
}

// loseMeanwhile has Redis lose its data a while after something began, and a while before
// it ends.
func (s *struck) loseMeanwhile() error {
	s.pause(0, 3*time.Second)
	lose := (*struck).forget
	if s.chance.IntN(2) == 0 {
		lose = func(s *struck) error { return s.crash(false, 0, time.Second) }
	}
	if err := lose(s); err != nil {
		return err
	}
	s.pause(0, 10*time.Second)
	return nil
}

// loseFarApart is the fault for which docs/guarantees.md promises least: nobody can know which calls
// the enforcer has open when the others continue without it.
func (s *struck) loseFarApart() error {
	at := s.slot().serving()
	from := time.Now()
	at.Redis.Cut()
	at.Postgres.Cut()
	open := s.tally.openBetween(at, from.Add(-time.Second), time.Now())
	err := s.loseMeanwhile()
	at.Redis.Mend()
	s.history.alone(from, open)
	s.pause(0, 2*time.Second)
	at.Postgres.Mend()
	s.history.outage(from)
	return err
}

func (s *struck) forgetWithoutLedger() error {
	defer s.history.outage(time.Now())
	if err := bursar.CrashPostgres(); err != nil {
		return err
	}
	s.pause(0, 3*time.Second)
	err := s.forget()
	s.pause(0, 3*time.Second)
	return errors.Join(err, startAgain(s, bursar.StartPostgres))
}

func (s *struck) forgetWithoutAPI() error {
	hung := make(chan error, 1)
	length := s.between(2*time.Second, 15*time.Second)
	go func() { hung <- s.withoutAPI(length) }()
	s.pause(500*time.Millisecond, length)
	return errors.Join(s.forget(), <-hung)
}
