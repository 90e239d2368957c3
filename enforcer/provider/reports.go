package provider

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// lookEvery is how often the files with the providers' keys are looked for.
	lookEvery = 5 * time.Second
	// lasting is how long a trouble is reported after it was last seen, so that a provider that
	// fails now and then does not change the report with every call.
	lasting = 30 * time.Second
	// inARow is how many calls of a model in a row a provider must answer with 403 or 404 before
	// that is reported of a model that had answers before: the calls may be to blame.
	inARow = 3
)

// Reports is what was seen of the providers, from the calls to them and from the files with
// their keys. It keeps nothing that a provider has sent. Its methods may be called
// concurrently.
type Reports struct {
	keys *keyring
	now  func() time.Time

	mu        sync.Mutex
	providers map[string]*seen
	told      map[string]limiterv1.ProviderReport
	changed   chan struct{}
}

// seen is what was seen of a provider.
type seen struct {
	// endpoint and file are those that it was seen with: with others it counts as another provider.
	endpoint, file string
	// connection is how connections come about; keyFile and key are about its key.
	connection, keyFile, key sighting
	models                   map[string]*answers
}

// sighting is when something was seen to work, and when not.
type sighting struct {
	good, bad time.Time
	trouble   limiterv1.ProviderTrouble
}

func (s *sighting) works(now time.Time) { s.good = now }

func (s *sighting) fails(now time.Time, trouble limiterv1.ProviderTrouble) {
	s.bad, s.trouble = now, trouble
}

// told is what to report of it.
func (s *sighting) told(now time.Time) limiterv1.ProviderTrouble {
	switch {
	case s.trouble != "" && (!s.good.After(s.bad) || now.Sub(s.bad) < lasting):
		return s.trouble
	case s.good.IsZero():
		return ""
	}
	return limiterv1.NoTrouble
}

// answers are those of a provider to the calls of one model.
type answers struct {
	sighting
	refused int // in a row, with 403 or 404
	// endpoints are those at which calls had answers. The provider may not have any other endpoint,
	// so that a refusal there says nothing about the model.
	endpoints map[string]bool
}

// broken reports whether the operator must mend it, rather than the caller of the last call.
func (a *answers) broken() bool { return a.refused >= inARow || a.refused > 0 && a.good.IsZero() }

// NewReports makes Reports of providers whose keys are in the files of a directory.
func NewReports(credentialsDir string) *Reports {
	return &Reports{keys: &keyring{dir: credentialsDir}, now: time.Now, providers: map[string]*seen{}, changed: make(chan struct{}, 1)}
}

// Changed receives after there is something else to report.
func (r *Reports) Changed() <-chan struct{} { return r.changed }

// Failed notes that a call to a provider had no answer, and why.
func (r *Reports) Failed(provider limiterv1.Provider, err error) {
	r.change(provider, func(s *seen, now time.Time) {
		switch trouble := limiterv1.TroubleOf(err); trouble {
		case "":
		case limiterv1.CredentialFileMissing:
			s.keyFile.fails(now, trouble)
		default:
			s.connection.fails(now, trouble)
		}
	})
}

// Answered notes with which status a provider has answered a call of a model at an endpoint of
// its API; model is empty if the provider does not list it, or if the status says nothing of it.
// It reports whether the provider answers all calls of that model so, as far as is known, so that
// no caller is to blame.
func (r *Reports) Answered(provider limiterv1.Provider, model, endpoint string, status int) (broken bool) {
	r.change(provider, func(s *seen, now time.Time) {
		s.connection.works(now)
		if status == 401 {
			s.key.fails(now, limiterv1.KeyRejected)
			broken = true
		}
		if status < 300 && status >= 200 && provider.CredentialFile != "" {
			s.key.works(now)
		}
		if model != "" {
			broken = s.answered(model, endpoint, status, now) || broken
		}
	})
	return broken
}

// checked notes that a provider has answered a check, and what that says of its key: KeyRejected,
// NoTrouble, or empty for nothing.
func (r *Reports) checked(provider limiterv1.Provider, key limiterv1.ProviderTrouble) {
	r.change(provider, func(s *seen, now time.Time) {
		s.connection.works(now)
		switch key {
		case limiterv1.KeyRejected:
			s.key.fails(now, key)
		case limiterv1.NoTrouble:
			s.key.works(now)
		}
	})
}

// answeredAt is when a provider has last answered; zero if it has not.
func (r *Reports) answeredAt(provider limiterv1.Provider) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.providers[provider.Name]
	if s == nil || s.endpoint != provider.Endpoint || s.file != provider.CredentialFile {
		return time.Time{}
	}
	return s.connection.good
}

// answered notes the status of an answer to a call of a model at an endpoint.
func (s *seen) answered(model, endpoint string, status int, now time.Time) (broken bool) {
	of := s.models[model]
	if of == nil {
		of = &answers{endpoints: map[string]bool{}}
		s.models[model] = of
	}
	neverWorked := of.good.IsZero()
	switch {
	case status == 403 || status == 404:
		if !neverWorked && !of.endpoints[endpoint] {
			return false
		}
		of.refused++
		if of.broken() {
			of.fails(now, map[int]limiterv1.ProviderTrouble{403: limiterv1.KeyForbidden, 404: limiterv1.NotFound}[status])
		}
		return neverWorked && of.refused >= inARow
	case status == 401 || status >= 500:
		return false // it says nothing of the model
	}
	of.refused, of.endpoints[endpoint] = 0, true
	of.works(now)
	return false
}

// keep forgets all models but those.
func (s *seen) keep(models []limiterv1.Model) {
	listed := map[string]bool{}
	for _, model := range models {
		listed[model.Name] = true
	}
	maps.DeleteFunc(s.models, func(name string, _ *answers) bool { return !listed[name] })
}

// change changes what was seen of a provider, and sends to Changed if there is something else
// to report.
func (r *Reports) change(provider limiterv1.Provider, note func(s *seen, now time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.providers[provider.Name]
	if s == nil || s.endpoint != provider.Endpoint || s.file != provider.CredentialFile {
		s = &seen{endpoint: provider.Endpoint, file: provider.CredentialFile, models: map[string]*answers{}}
		r.providers[provider.Name] = s
	}
	now := r.now()
	before := r.told[provider.Name]
	note(s, now)
	if !s.report(now).Equal(before) {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
}

// Reports are what is to be told of the providers now.
func (r *Reports) Reports() map[string]limiterv1.ProviderReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = map[string]limiterv1.ProviderReport{}
	now := r.now()
	for name, s := range r.providers {
		if report := s.report(now); !report.Equal(limiterv1.ProviderReport{}) {
			r.told[name] = report
		}
	}
	return maps.Clone(r.told)
}

// report is what is to be told of a provider: what stands in the way of all calls before
// what stands in the way of some.
func (s *seen) report(now time.Time) limiterv1.ProviderReport {
	report := limiterv1.ProviderReport{Reachable: s.connection.told(now), Credential: s.key.told(now)}
	switch file := s.keyFile.told(now); {
	case file == limiterv1.NoTrouble && report.Credential == "":
		report.Credential = limiterv1.Untried
	case file == limiterv1.CredentialFileMissing:
		report.Credential = file
	}
	for _, model := range slices.Sorted(maps.Keys(s.models)) {
		switch trouble := s.models[model].told(now); {
		case trouble == limiterv1.NotFound && isOpen(report.Reachable, trouble):
			report.Reachable = trouble
		case trouble == limiterv1.KeyForbidden && isOpen(report.Credential, trouble):
			report.Credential = trouble
		default:
			continue
		}
		report.Models = append(report.Models, model)
	}
	return report
}

// isOpen reports whether a trouble may still be reported, given what is reported already.
func isOpen(told, trouble limiterv1.ProviderTrouble) bool {
	return told == "" || told == limiterv1.NoTrouble || told == limiterv1.Untried || told == trouble
}

// Run looks for the files with the providers' keys until ctx ends. providers are those of
// the configuration.
func (r *Reports) Run(ctx context.Context, providers func() []limiterv1.Provider) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		r.look(providers())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look looks for the files, and forgets providers and models that are gone.
func (r *Reports) look(providers []limiterv1.Provider) {
	known := map[string]bool{}
	for _, provider := range providers {
		known[provider.Name] = true
		var err error
		if provider.CredentialFile != "" {
			_, err = r.keys.read(provider.CredentialFile)
		}
		r.change(provider, func(s *seen, now time.Time) {
			switch {
			case err != nil:
				s.keyFile.fails(now, limiterv1.CredentialFileMissing)
			case provider.CredentialFile != "":
				s.keyFile = sighting{good: now}
			}
			s.keep(provider.Models)
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.providers, func(name string, _ *seen) bool { return !known[name] })
}
