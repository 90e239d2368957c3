package store

const (
	// mostTogether is how many calls are sent with one write, at most: the first of them gets its
	// answer only with the last.
	mostTogether = 64
	// mostLimits is how many limits they are checked against together, at most, unless a single call
	// has more. Redis does nothing else meanwhile.
	mostLimits = 1000
)

// queue is the calls that wait to be sent. Tenants take turns, and the calls of one tenant are sent
// in the order in which they came. So the next call of a tenant waits for at most one call of each
// other tenant, however many calls one of them makes.
type queue struct {
	// tenants are those with calls that wait, the next first.
	tenants []string
	calls   map[string][]*sent
}

func (q *queue) isEmpty() bool { return len(q.tenants) == 0 }

func (q *queue) add(s *sent) {
	if q.calls == nil {
		q.calls = map[string][]*sent{}
	}
	tenant := s.call.tenant()
	if len(q.calls[tenant]) == 0 {
		q.tenants = append(q.tenants, tenant)
	}
	q.calls[tenant] = append(q.calls[tenant], s)
}

// batch takes the calls that are to be sent next out of the queue, with the same write as others.
func (q *queue) batch(others []*sent) (batch []*sent) {
	limits := 0
	for _, s := range others {
		limits += s.call.limits()
	}
	for len(q.tenants) > 0 && len(others)+len(batch) < mostTogether {
		tenant := q.tenants[0]
		next := q.calls[tenant][0]
		limits += next.call.limits()
		if len(others)+len(batch) > 0 && limits > mostLimits {
			break
		}
		batch = append(batch, next)
		q.tenants = q.tenants[1:]
		if q.calls[tenant] = q.calls[tenant][1:]; len(q.calls[tenant]) > 0 {
			q.tenants = append(q.tenants, tenant)
		} else {
			delete(q.calls, tenant)
		}
	}
	return batch
}
