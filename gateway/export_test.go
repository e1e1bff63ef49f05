package gateway

import "context"

// MoveOnNow does what [Service.Run] does with what is due now, once, and returns
// when it is done.
func (s *Service) MoveOnNow(ctx context.Context) error {
	found := make(chan error, 1)
	go func() { found <- s.sweep(ctx) }()
	for {
		select {
		case id := <-s.movingOn:
			s.moveOn(ctx, id)
		case err := <-found:
			for {
				select {
				case id := <-s.movingOn:
					s.moveOn(ctx, id)
				default:
					return err
				}
			}
		}
	}
}

// SweepWhileBusy sweeps while nobody takes what is to move on, and there is no
// room for more.
func (s *Service) SweepWhileBusy(ctx context.Context) error {
	for len(s.movingOn) < cap(s.movingOn) {
		s.movingOn <- ""
	}
	err := s.sweep(ctx)
	for len(s.movingOn) > 0 {
		<-s.movingOn
	}
	return err
}

// Rules are those that p gives the store.
func (p *Policy) Rules() Rules { return p.rules }

// GiveBackNow does what [Service.Run] does with what fraud rules get back.
func (s *Service) GiveBackNow(ctx context.Context) error {
	for {
		select {
		case g := <-s.givingBack:
			if err := s.giveBack(ctx, g); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}
