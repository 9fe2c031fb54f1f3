// SPDX-License-Identifier: Apache-2.0
kit::counters!(pools);
