package events

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"
)

// MemLog is a [Log] in memory. The zero value is empty and ready.
type MemLog struct {
	// Now dates the records; time.Now if nil.
	Now func() time.Time

	mu      sync.Mutex
	records []Record      // guarded by mu; record i has sequence i+1
	byID    map[ID]uint64 // guarded by mu
}

// Append implements [Log].
func (l *MemLog) Append(ctx context.Context, e Envelope, last uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	data, err := e.Encode()
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq, ok := l.byID[e.ID]; ok {
		return seq, nil
	}
	scope := EntityFacts(e.Node, e.Source, e.Entity)
	if got := l.last(scope); last != AnySequence && got != last {
		return 0, &ConflictError{Subject: scope, Want: last, Got: got}
	}
	seq := l.put(e.Subject(), data)
	if l.byID == nil {
		l.byID = map[ID]uint64{}
	}
	l.byID[e.ID] = seq
	return seq, nil
}

// Put stores bytes that need not be an envelope, as a careless writer would.
func (l *MemLog) Put(subject Subject, data []byte) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.put(subject, data)
}

func (l *MemLog) put(subject Subject, data []byte) uint64 {
	now := time.Now
	if l.Now != nil {
		now = l.Now
	}
	seq := uint64(len(l.records)) + 1
	l.records = append(l.records, Record{Seq: seq, Subject: subject, Time: now().UTC(), Data: data})
	return seq
}

// Last implements [Log].
func (l *MemLog) Last(ctx context.Context, filter Subject) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last(filter), ctx.Err()
}

func (l *MemLog) last(filter Subject) uint64 {
	for i := len(l.records) - 1; i >= 0; i-- {
		if Match(filter, l.records[i].Subject) {
			return l.records[i].Seq
		}
	}
	return 0
}

// Read implements [Log].
func (l *MemLog) Read(ctx context.Context, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		l.mu.Lock()
		records := l.records[min(after, uint64(len(l.records))):]
		l.mu.Unlock()
		for _, r := range records {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Match reports whether a filter with NATS wildcards matches a subject.
func Match(filter, subject Subject) bool {
	f, s := strings.Split(string(filter), "."), strings.Split(string(subject), ".")
	for i, t := range f {
		if t == ">" {
			return len(s) > i
		}
		if i >= len(s) || t != Any && t != s[i] {
			return false
		}
	}
	return len(f) == len(s)
}
