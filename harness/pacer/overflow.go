package pacer

// overflow is the queue while more operations wait than the backlog holds:
// what falls due when it is full is dropped, as a service would refuse it. It
// is judged when an operation is taken, because only that makes room.
type overflow struct {
	ring   []int64 // numbers of the operations admitted
	head   int
	length int
	judged int64 // operations before this one were admitted or dropped
}

// startOverflow fills the queue from operation i on.
func (p *Pacer) startOverflow(i, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cursor.CompareAndSwap(i, overflown) {
		return
	}
	if p.queue.ring == nil {
		p.queue.ring = make([]int64, p.backlog)
	}
	p.queue.judged = i
	p.judge(now)
}

// judge admits or drops what has fallen due. The caller holds mu.
func (p *Pacer) judge(now int64) {
	q := &p.queue
	due := p.schedule.dueBy(now)
	for q.length < len(q.ring) && q.judged < due {
		q.ring[(q.head+q.length)%len(q.ring)] = q.judged
		q.length++
		q.judged++
	}
	p.dropped += due - q.judged
	q.judged = due
}

// takeQueued takes the oldest operation of the queue. It returns false if the
// queue is not in use any more, or the phase is over.
func (p *Pacer) takeQueued(t *Ticket) bool {
	p.mu.Lock()
	if p.cursor.Load() != overflown {
		p.mu.Unlock()
		return false
	}
	now := p.now()
	q := &p.queue
	p.judge(now)
	if q.length == 0 {
		p.cursor.Store(q.judged)
		p.mu.Unlock()
		return false
	}
	if p.giveUp > 0 && now >= p.giveUp {
		p.mu.Unlock()
		p.Stop()
		return false
	}
	i := q.ring[q.head]
	q.head = (q.head + 1) % len(q.ring)
	q.length--
	behind := int64(q.length) + 1
	p.mu.Unlock()
	p.taken(t, i, now, behind)
	return true
}
