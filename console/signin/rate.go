package signin

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// signInsPerSecond and signInsAtOnce bound the sign-ins of one address. All people of an
	// office may come from one, at the same time.
	signInsPerSecond = 2
	signInsAtOnce    = 100
	// maxAddresses is how many addresses are remembered.
	maxAddresses = 10_000
)

// rates bound how often one address signs in.
type rates struct {
	trusted []netip.Prefix

	mu sync.Mutex
	of map[netip.Addr]*rate.Limiter
}

// allow reports whether the address of a request may sign in now.
func (l *rates) allow(r *http.Request, now time.Time) bool {
	address := l.address(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil || len(l.of) >= maxAddresses && l.of[address] == nil {
		l.forget(now)
	}
	limiter := l.of[address]
	if limiter == nil {
		limiter = rate.NewLimiter(signInsPerSecond, signInsAtOnce)
		l.of[address] = limiter
	}
	return limiter.AllowN(now, 1)
}

// forget forgets the addresses that have not signed in for a while. If there are none, it
// forgets all, because memory must be bounded.
func (l *rates) forget(now time.Time) {
	for address, limiter := range l.of {
		if limiter.TokensAt(now) >= signInsAtOnce {
			delete(l.of, address)
		}
	}
	if l.of == nil || len(l.of) >= maxAddresses {
		l.of = map[netip.Addr]*rate.Limiter{}
	}
}

// address is the client's address: the last hop that is not one of our proxies. For IPv6, it is
// the network, because a client has all addresses of its network.
func (l *rates) address(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && l.isTrusted(at); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = hop.Unmap().WithZone("")
	}
	if at.Is6() {
		if network, err := at.Prefix(64); err == nil {
			return network.Addr()
		}
	}
	return at
}

func (l *rates) isTrusted(at netip.Addr) bool {
	for _, prefix := range l.trusted {
		if prefix.Contains(at) {
			return true
		}
	}
	return false
}
