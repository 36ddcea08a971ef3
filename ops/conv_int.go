package ops

func (c *Conv) prepareInt(p *Prep) (Kernel, error) {
	return nil, errf(KindConv, "integer form is not there")
}
