"""The cells of docs/sources.md as values of recipes: what was stated, what code and logs show.

Each line: the row's name (that before it where there is none), the trials by glob, the recipe's
key, its value as stated and as run (``-``: no such trial, or not the matter here). ``@45 key`` is
its value in epoch 45, ``rate`` the learning rates in words (`resray.cli.show.rates`).
"""

CELLS = {
    "basicblock-depth": """
        stem, shortcuts, strides | * | model.stem | cifar | cifar
        initialisation | * | model.initialisation | torch | torch
        blocks of ResNet40 | resnet40-b, resnet40-b-ft | model.name | resnet40-b | resnet40-b
        normalisation | * | data.mean | [0.4914, 0.4822, 0.4465] | [0.4914, 0.4822, 0.4465]
        | * | data.std | [0.2023, 0.1994, 0.2010] | [0.2023, 0.1994, 0.2010]
        augmentation | * | augmentation.flip | 0.5 | 0.5
        | * | augmentation.crop_padding | 4 | 4
        | resnet10*, resnet102*, resnet40-b, resnet40-b-as2 | augmentation.affine | null | null
        augmentation of FT | resnet40-b-ft* | augmentation.affine.degrees | 10 | 10
        | resnet40-b-ft* | augmentation.affine.translate | 0.1 | 0.1
        | resnet40-b-ft* | augmentation.affine.scale | [0.9, 1.1] | [0.9, 1.1]
        | resnet40-b-ft* | augmentation.affine.shear | 10 | 10
        CutMix of FT | resnet40-b-ft* | mixing.cutmix_alpha | 1 | 1
        | resnet40-b-ft* | mixing.probability | 0.5 | 0.5
        | resnet40-b-ft* | mixing.cutmix_sides | even | even
        | resnet10*, resnet102*, resnet40-b, resnet40-b-as2 | mixing.cutmix_alpha | 0 | 0
        batch | * | batch_size | 128 | 128
        | * | eval_batch_size | 100 | 100
        optimizer of AS1 | resnet*-b, resnet40-b-ft | optimizer.name | sgd | sgd
        | resnet*-b, resnet40-b-ft | optimizer.lr | 0.1 | 0.1
        | resnet*-b, resnet40-b-ft | optimizer.momentum | 0.9 | 0.9
        | resnet*-b, resnet40-b-ft | optimizer.weight_decay | 5e-4 | 5e-4
        | * | optimizer.decay_norm_and_bias | true | true
        schedule of AS1 | resnet*-b | rate \
            | 0.1 to 0 in 200 epochs, set by epoch | 0.1 to 0 in 200 epochs, set by epoch
        | *0-b-linear, *2-b-linear | rate | 0.1 to 0 along a line in 200 epochs, set by epoch | -
        optimizer of AS2 | *-as2 | optimizer.name | adam | adam
        | *-as2 | optimizer.lr | 0.1 | 0.1
        | *-as2 | optimizer.weight_decay | 1e-4 | 1e-4
        schedule of AS2 | *-as2 | schedule.name | plateau | plateau
        | resnet10-b-as2 | schedule.gamma | 0.5 | 0.1
        | resnet10-b-as2 | schedule.patience | 5 | 5
        | resnet40-b-as2 | schedule.gamma | 0.5 | 0.5
        | resnet40-b-as2 | schedule.patience | 5 | 3
        epochs of AS2 | resnet10-b-as2 | epochs | 200 | 150
        | resnet40-b-as2 | epochs | 200 | 200
        epochs of FT | resnet40-b-ft | epochs | 310 | 350
        schedule of FT | resnet40-b-ft | rate | 0.1 to 0 in 310 epochs, set by epoch \
            | 0.1 to 0 in 300 epochs, then up again to epoch 350, set by epoch
        ResNet40 over 250 epochs | resnet40-b-250 | epochs | - | 250
        | resnet40-b-250 | rate | - | 0.1 to 0 in 250 epochs, set by epoch
        precision | * | precision | fp32 | fp32
        clipping, smoothing, early stopping | * | clip_gradient_norm | null | null
        | * | label_smoothing | 0 | 0
        | * | early_stopping | null | null
        MixUp, averaging of weights, dropout | * | mixing.mixup_alpha | 0 | 0
        | * | ema_decay | null | null
        | * | model.dropout | 0 | 0
        images | * | data.validation_images | 5000 | 0
        selection | * | selection | validation | test
    """,
    "resnext": """
        ResNet-50 | resnet50* | model.name | resnet50 | resnet50
        | resnet50* | model.stem | cifar | cifar
        ResNeXt-50 | resnext* | model.name | resnext50_32x4d | resnet
        | resnext* | model.groups | - | 32
        | resnext* | model.bottleneck_width | - | 128
        initialisation | * | model.initialisation | torch | torch
        normalisation | * | data.mean | [0.4914, 0.4822, 0.4465] | [0.4914, 0.4822, 0.4465]
        | * | data.std | [0.2023, 0.1994, 0.2010] | [0.2023, 0.1994, 0.2010]
        augmentation | * | augmentation.flip | 0 | 0
        | * | augmentation.crop_padding | 0 | 0
        batch; batches of an epoch | * | batch_size | 128 | 128
        | * | data.validation_images | 5000 | 0
        loader | * | loader.name | per-image | per-image
        | * | loader.workers | 0 | 0
        | * | loader.pinned_memory | false | false
        optimizer | * | optimizer.name | sgd | sgd
        | * | optimizer.lr | 0.01 | 0.01
        | * | optimizer.momentum | 0.9 | 0.9
        | * | optimizer.weight_decay | 5e-4 | 5e-4
        schedule | * | schedule.name | constant | constant
        precision, memory layout | * | precision | fp32 | fp32
        | * | channels_last | false | false
        clipping, smoothing, early stopping | * | clip_gradient_norm | null | null
        | * | label_smoothing | 0 | 0
        | * | early_stopping | null | null
        trainings | *-1 | epochs | 1 | 1
        | *-5 | epochs | 5 | 5
        | *-10 | epochs | 10 | 10
        selection | * | selection | validation | validation
    """,
    "resnet10-speed": """
        network, plain | plain | model.name | resnet10 | resnet10
        | plain | model.shortcut | projection | projection
        network, optimized | full | model.shortcut | projection | none
        weight sharing | full | model.shared_stages | [1] | []
        | plain | model.shared_stages | [] | []
        initialisation, plain; optimized | plain | model.initialisation \
            | xavier_normal | xavier_normal
        | plain | model.classifier_initialisation | xavier_normal | xavier_normal
        | full | model.initialisation | kaiming_normal | kaiming_normal
        | full | model.classifier_initialisation | kaiming_normal | kaiming_normal
        batch | plain | batch_size | 4 | 4
        | full | batch_size | 256 | 256
        order | plain | loader.shuffle | false | false
        | full | loader.shuffle | true | true
        normalisation | plain | data.mean | [0, 0, 0] | [0, 0, 0]
        | plain | data.std | [1, 1, 1] | [1, 1, 1]
        | full | data.mean | [0.5, 0.5, 0.5] | [0.5, 0.5, 0.5]
        | full | data.std | [0.5, 0.5, 0.5] | [0.5, 0.5, 0.5]
        augmentation | plain, full | augmentation.flip | 0 | 0
        | plain, full | augmentation.crop_padding | 0 | 0
        workers, pinned memory | plain | loader.workers | 0 | 0
        | plain | loader.pinned_memory | false | false
        | full | loader.workers | 4 | 4
        | full | loader.pinned_memory | true | true
        optimizer | plain | optimizer.name | sgd | sgd
        | plain | optimizer.lr | 0.001 | 0.001
        | plain | optimizer.momentum | 0 | 0
        | plain | optimizer.weight_decay | 0 | 0
        | full | optimizer.name | adamw | adamw
        | full | optimizer.lr | 0.01 | 0.01
        | full | optimizer.weight_decay | 1e-4 | 1e-4
        schedule | plain | schedule.name | constant | constant
        | full | rate | 4e-4 up to 0.01 and down to 4e-8 in 5 epochs \
            | 4e-4 up to 0.01 and down to 4e-8 in 980 steps
        | full | schedule.rise | 0.3 | 0.3
        momentum (beta1) under OneCycle | full | schedule.cycle_momentum | true | true
        accumulation | plain | accumulation | 1 | 1
        | full | accumulation | 4 | 4
        clipping, smoothing, MixUp | plain, full | clip_gradient_norm | null | null
        | plain, full | label_smoothing | 0 | 0
        | plain, full | mixing.mixup_alpha | 0 | 0
        precision | plain | precision | fp32 | fp32
        | full | precision | auto | fp16
        | full | eval_precision | fp32 | fp32
        memory layout | plain, full | channels_last | false | false
        selection | plain, full | selection | validation | validation
    """,
    "wrn-cifar100": """
        WRN-28-10 | base-wrn, session-0? | model.name | wrn-28-10 | wrn-28-10
        its initialisation | base-wrn, session-0? | model.initialisation \
            | kaiming_normal | kaiming_normal
        | base-wrn, session-0? | model.classifier_initialisation | xavier_uniform | xavier_uniform
        normalisation | * | data.mean | [0.5071, 0.4865, 0.4409] | [0.5071, 0.4865, 0.4409]
        | * | data.std | [0.2673, 0.2564, 0.2761] | [0.2673, 0.2564, 0.2761]
        MixUp | base-*, session-0? | mixing.probability | 1 | 1
        base session: stem of the ResNets | base-resnet* | model.stem | imagenet | imagenet
        base session: dropout | base-*-dropout | model.dropout | 0.4 | 0.4
        | base-resnet18, base-resnet34 | model.dropout | 0 | 0
        | base-wrn | model.dropout | 0.3 | 0.3
        base session: weight decay | base-resnet18, base-resnet34 | optimizer.weight_decay \
            | 5e-4 | 1e-4
        | base-*-dropout, base-wrn | optimizer.weight_decay | 5e-4 | 5e-4
        base session: optimizer's momentum | base-* | schedule.cycle_momentum | true | true
        | base-* | optimizer.momentum | 0.9 | 0.9
        base session: MixUp of the base session | base-resnet18*, base-resnet34, base-wrn \
            | mixing.mixup_alpha | 0.4 | 0.4
        base session: smoothing, clipping, early stopping | base-* | label_smoothing | 0 | 0
        | base-* | clip_gradient_norm | null | null
        | base-* | early_stopping | null | null
        base session: batch; schedule | base-* | batch_size | 128 | 128
        | base-resnet18, base-resnet34 | rate | 0.002 up to 0.05 and down to 2e-7 in 40 epochs \
            | 0.002 up to 0.05 and down to 2e-7 in 40 epochs
        | base-* | schedule.rise | 0.3 | 0.3
        base session: flip | base-* | augmentation.flip | 0.5 | 0.5
        base session: brightness, contrast | base-*dropout, base-wrn \
            | augmentation.brightness_contrast \
            | {probability: 0.5, brightness: 0.2, contrast: 0.2} \
            | {probability: 0.5, brightness: 0.2, contrast: 0.2}
        base session: hue, saturation, value | base-*dropout, base-wrn \
            | augmentation.hue_saturation_value \
            | {probability: 0.5, hue: 10, saturation: 15, value: 10} \
            | {probability: 0.5, hue: 10, saturation: 15, value: 10}
        base session: colour jitter | base-*dropout, base-wrn | augmentation.color_jitter \
            | {probability: 0.5, brightness: 0.1, contrast: 0.1, saturation: 0.1, hue: 0.5} \
            | {probability: 0.5, brightness: 0.1, contrast: 0.1, saturation: 0.1, hue: 0.5}
        base session: affine | base-* | augmentation.shift_scale_rotate.shift \
            | [0.0625, 0.0625] | [0.0625, 0.0625]
        | base-* | augmentation.shift_scale_rotate.scale | 0.1 | 0.1
        | base-* | augmentation.shift_scale_rotate.scale_by_axis | true | true
        | base-* | augmentation.shift_scale_rotate.degrees | 7 | 7
        | base-* | augmentation.shift_scale_rotate.border | black | black
        | base-* | augmentation.shift_scale_rotate.probability | 0.5 | 0.5
        base session: crop | base-* | augmentation.resized_crop.probability | 0.5 | 0.5
        | base-* | augmentation.resized_crop.scale | [0.765625, 0.765625] | [0.765625, 0.765625]
        base session: coarse dropout | base-* | augmentation.cutout.size | [3.2, 6.4] | [3.2, 6.4]
        | base-* | augmentation.cutout.holes | [1, 2] | [1, 2]
        | base-* | augmentation.cutout.fill | 0 | 0
        | base-* | augmentation.cutout.probability | 0.5 | 0.5
        base session: order of the steps | base-*dropout, base-wrn | augmentation.order \
            | [color_jitter, shift_scale_rotate, brightness_contrast, hue_saturation_value, \
               resized_crop, cutout] \
            | [color_jitter, shift_scale_rotate, brightness_contrast, hue_saturation_value, \
               resized_crop, cutout]
        base session: precision | base-* | precision | fp32 | fp32
        base session: MixUp 0.2 without colours | base-resnet34-mixup-0.2 | mixing.mixup_alpha \
            | - | 0.2
        | base-resnet34-mixup-0.2 | augmentation.color_jitter | - | null
        | base-resnet34-mixup-0.2 | epochs | - | 15
        base session: epochs | base-resnet18, base-resnet34 | epochs | 40 | 40
        | base-resnet34-dropout | epochs | 100 | 100
        | base-resnet18-dropout | epochs | 100 | 27
        | base-wrn | epochs | 100 | 3
        session 01: recipe | session-01 | epochs | - | 58
        | session-01 | rate | - | 0.01 to 0.1 in 5 epochs, then 0.01 to 1e-4 every 25 steps
        session 01: resized crop | session-01 | augmentation.resized_crop.scale | - | [0.8, 1]
        | session-01 | augmentation.resized_crop.ratio | - | [0.9, 1.1]
        | session-01 | augmentation.resized_crop.probability | - | 0.5
        | session-01 | augmentation.order | - \
            | [shift_scale_rotate, resized_crop, cutout, brightness_contrast, hue_saturation_value]
        session 02: dropout, batch, smoothing, clipping | session-02 | model.dropout | 0.3 | 0.3
        | session-02 | batch_size | 256 | 256
        | session-02 | label_smoothing | 0.1 | 0.1
        | session-02 | clip_gradient_norm | 1 | 1
        session 02: optimizer | session-0? | optimizer.momentum | 0.9 | 0.9
        | session-0? | optimizer.weight_decay | 1e-3 | 1e-3
        session 02: MixUp | session-02 | mixing.mixup_alpha | 0.2 | 0.2
        session 02: flip | session-0? | augmentation.flip | 0.5 | 0.5
        session 02: order of the steps | session-02 | augmentation.order \
            | [shift_scale_rotate, cutout, brightness_contrast, hue_saturation_value] \
            | [shift_scale_rotate, cutout, brightness_contrast, hue_saturation_value]
        session 02: warm-up | session-02 | rate \
            | epochs 1 to 25: 0.01 to 0.1 in 5 epochs, then 0.1 to 1e-4 in 20 epochs; \
              epochs 26 to 100: 0.1 to 1e-4 every 25 epochs \
            | 0.01 to 0.1 in 5 epochs, then 0.01 to 1e-4 every 25 steps
        session 02: peak of the cycles | session-02 | optimizer.lr | 0.1 | 0.01
        session 02: cycles | session-02 | schedule.unit | - | steps
        session 02: smallest rate | session-02 | schedule.end | - | 0.01
        session 02: shift, zoom, rotation | session-02 | augmentation.shift_scale_rotate.shift \
            | 0.0625 | 0.0625
        | session-02 | augmentation.shift_scale_rotate.scale | 0.1 | 0.1
        | session-02 | augmentation.shift_scale_rotate.degrees | 15 | 15
        | session-02 | augmentation.shift_scale_rotate.border | black | black
        | session-02 | augmentation.shift_scale_rotate.probability | 0.5 | 0.5
        session 02: cutout | session-02 | augmentation.cutout.size | 8 | [3.2, 6.4]
        | session-02 | augmentation.cutout.holes | 1 | [1, 2]
        | session-02 | augmentation.cutout.inside | true | true
        | session-02 | augmentation.cutout.fill | 0 | 0
        | session-02 | augmentation.cutout.probability | 0.5 | 0.5
        session 02: brightness, contrast | session-02 | augmentation.brightness_contrast \
            | {probability: 0.3, brightness: 0.2, contrast: 0.2} \
            | {probability: 0.3, brightness: 0.2, contrast: 0.2}
        session 02: hue, saturation, value | session-02 | augmentation.hue_saturation_value \
            | {probability: 0.3, hue: 10, saturation: 20, value: 10} \
            | {probability: 0.3, hue: 10, saturation: 20, value: 10}
        session 02: precision | session-02 | precision | auto | fp16
        | session-02 | eval_precision | fp32 | fp32
        session 02: early stopping | session-02 | early_stopping.patience | 15 | 15
        | session-02 | early_stopping.after_restart | true | false
        | session-02 | early_stopping.target | null | 74
        | session-02 | selection | validation | test
        session 04: warm-up | session-04 | rate \
            | epochs 1 to 20: 0.01 to 0.15 in 5 epochs, then 0.15 to 5e-4 in 15 epochs; \
              epochs 21 to 60: 0.15 to 5e-4 every 20 epochs; \
              epochs 61 to 100: 0.15 to 1e-5 in 40 epochs \
            | epochs 1 to 60: 0.01 to 0.15 in 5 epochs, then 0.01 to 5e-4 every 20 steps; \
              epochs 61 to 100: 0.01 to 1e-5 in 40 steps and back, again and again
        session 04: rate, 1-60 | session-04 | optimizer.lr | 0.15 | 0.01
        session 04: smallest rate | session-04 | schedule.parts.0.end | 3.33333e-3 | 0.05
        session 04: rate, 61-100 | session-04 | schedule.parts.1.length | - | 40
        session 04: dropout, MixUp, smoothing by epoch | session-04 | @50 model.dropout | 0.3 | 0.3
        | session-04 | @51 model.dropout | 0.2 | 0.2
        | session-04 | @81 model.dropout | 0.1 | 0.1
        | session-04 | @40 mixing.mixup_alpha | 0.2 | 0.2
        | session-04 | @41 mixing.mixup_alpha | 0.15 | 0.15
        | session-04 | @71 mixing.mixup_alpha | 0 | 0
        | session-04 | @50 label_smoothing | 0.1 | 0.1
        | session-04 | @51 label_smoothing | 0.05 | 0.05
        session 04: 41-70: shift, zoom, rotation | session-04 \
            | @41 augmentation.shift_scale_rotate.shift | 0.05 | 0.05
        | session-04 | @70 augmentation.shift_scale_rotate.scale | 0.07 | 0.07
        | session-04 | @41 augmentation.shift_scale_rotate.degrees | 10 | 10
        | session-04 | @41 augmentation.shift_scale_rotate.probability | 0.35 | 0.35
        | session-04 | @71 augmentation.shift_scale_rotate | null | null
        session 04: 41-70: cutout | session-04 | @41 augmentation.cutout.size | 6 | [3.2, 6.4]
        | session-04 | @41 augmentation.cutout.probability | 0.35 | 0.35
        session 04: 41-70: brightness, contrast | session-04 \
            | @41 augmentation.brightness_contrast \
            | {probability: 0.2, brightness: 0.15, contrast: 0.15} \
            | {probability: 0.2, brightness: 0.15, contrast: 0.15}
        session 04: 41-70: hue, saturation, value | session-04 \
            | @41 augmentation.hue_saturation_value | null | null
        session 04: 71-100: cutout | session-04 | @71 augmentation.cutout.size | 4 | [3.2, 6.4]
        | session-04 | @71 augmentation.cutout.probability | 0.3 | 0.3
        session 04: early stopping | session-04 | early_stopping.patience | 15 | 15
        | session-04 | early_stopping.target | null | 75
        session 05: recipe (never run) | session-05 | rate \
            | epochs 1 to 25: 0.01 to 0.1 in 5 epochs, then 0.1 to 1e-4 in 20 epochs; \
              epochs 26 to 50: 0.1 to 1e-4 every 25 epochs; \
              epochs 51 to 100: 0.1 to 1e-5 in 50 epochs | -
        | session-05 | @60 model.dropout | 0.3 | -
        | session-05 | @61 model.dropout | 0.2 | -
        | session-05 | @61 mixing.mixup_alpha | 0.15 | -
        | session-05 | @61 label_smoothing | 0.1 | -
        later trials: schedule | more-wrn-onecycle | rate \
            | - | 1e-6 up to 0.1 and down to 1e-10 in 50 epochs
        | more-* | schedule.cycle_momentum | - | true
        later trials: peak; batch; epochs run | more-wrn-onecycle | batch_size | - | 256
        | more-resnet50-onecycle-512 | batch_size | - | 512
        | more-resnet50-onecycle-512 | optimizer.lr | - | 0.12648552
        | more-resnet50-onecycle-256 | optimizer.lr | - | 0.026827
        | more-resnet50-onecycle-256 | epochs | - | 15
        | more-resnet50-local | optimizer.lr | - | 0.0702974
        | more-resnet50-local | epochs | - | 7
        later trials: hole | more-* | augmentation.cutout \
            | - | {probability: 0.5, size: 8, holes: 1, inside: true, fill: 128}
        later trials: rest | more-* | mixing.mixup_alpha | - | 0.2
        | more-* | label_smoothing | - | 0.1
        | more-* | early_stopping.target | - | 74
    """,
}

NO_KEY = {
    "basicblock-depth": [
        "trainings", "parameters", "device", "95.05 and 75.71", "96.01",
        "claim: AS2 is faster at first",
    ],
    "resnext": ["CSV export", "claim: same parameter budget"],
    "resnet10-speed": ["accuracy after 5 epochs", "seconds"],
    "wrn-cifar100": [
        "device", "base session: 59.29, 62.96, 62.54, 68.08", "session 02: checkpoints",
        "session 03: result", "session 04: checkpoints", "session 04: 72.98",
    ],
}  # fmt: skip
"""Rows about figures, claims, sizes, devices and checkpoints, which are no settings of a recipe."""
